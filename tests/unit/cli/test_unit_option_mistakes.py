"""Mistakes in flags, environment and file are reported with their location."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from batchrun.app.job_file import write_job
from batchrun.errors import InputError
from batchrun.job import build_job
from tests.unit.cli.resolved_options import REQUIRED, problems_of, resolve_file, resolve_flags


def test_the_mistakes_of_all_layers_are_reported_together_with_their_locations(path: Path) -> None:
    found = problems_of(
        path,
        "\nrps = 0\nmax-inflight = 3\nprogress = 'fast'\n\n[type]\na = 'integer'\n",
        {"BATCHRUN_MAX_POLLS": "few", "BATCHRUN_QUIET": "perhaps"},
        retries="-1",
        param=("nonsense",),
    )
    for start in (
        f"{path}, line 4: rps: must be more than 0 (got 0)",
        f"{path}, line 5: unknown option 'max-inflight'; did you mean max-in-flight?",
        f"{path}, line 6: progress: expected auto, bar, log, json or none (got 'fast')",
        f"{path}, line 8: type a: expected str, int, float, bool or json (got 'integer')",
        "BATCHRUN_MAX_POLLS: expected a whole number (got 'few')",
        "BATCHRUN_QUIET: expected true or false (got 'perhaps')",
        "--retries: must be at least 0 (got '-1')",
        "--param NAME=COLUMN: expected a name, an equals sign and a value (got 'nonsense')",
    ):
        assert start in found
    assert len(found) == 8


def test_an_invalid_value_that_is_overridden_is_ignored(path: Path) -> None:
    assert resolve_file(path, "rps = 'x'", {"BATCHRUN_RPS": "y"}, rps="5").job.rps == 5


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("key = 2024-01-01", "expected text, in quotes (got 2024-01-01)"),
        ("key = ['a']", "expected text, in quotes (got ['a'])"),
        ("workflow-id = 7412345678901234567", "expected text, in quotes (got 7412345678901234567)"),
        ("out = 3", "expected a path, in quotes (got 3)"),
        ("out = ' '", "is empty (got ' ')"),
        ("rps = true", "expected a number (got true)"),
        ("retries = true", "expected a number (got true)"),
        ("poll-max = true", "expected a number (got true)"),
        ("max-in-flight = 1.5", "expected a whole number (got 1.5)"),
        ("rps = inf", "expected a finite number (got inf)"),
        ("rps = [1]", "expected a number (got [1])"),
        ("skip = 'a'", 'expected a list, such as ["a", "b"] (got \'a\')'),
        ("param = 'a=b'", "expected a table of names and values (got 'a=b')"),
        ("simulate = 'perhaps'", "expected true or false (got 'perhaps')"),
        ("verbose = 'much'", "expected a whole number (got 'much')"),
        ("base-url = 'https://me:s3cret@host'", "(got 'https://…@host')"),
    ],
)
def test_a_value_of_a_wrong_type_is_reported(path: Path, line: str, expected: str) -> None:
    path.write_text("input = 'rows.csv'\n" + ("" if line.startswith("workflow") else "workflow-id = 'w'\n") + line)
    (found,) = problems_of(config=(str(path),))
    assert found.startswith(f"{path}, line {2 if line.startswith('workflow') else 3}: {line.partition(' ')[0]}: ")
    assert found.endswith(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-01-01", "2024-01-01 is a date, which JSON does not have; write it in quotes"),
        (
            "2024-01-01T10:00:00Z",
            "2024-01-01T10:00:00+00:00 is a datetime, which JSON does not have; write it in quotes",
        ),
        ("[{ at = 10:00:00 }]", "10:00:00 is a time, which JSON does not have; write it in quotes"),
        ("nan", "nan is no number of JSON; write it as text, in quotes"),
        ("{ deep = [1, -inf] }", "-inf is no number of JSON; write it as text, in quotes"),
    ],
)
def test_a_constant_must_be_representable_in_json(path: Path, value: str, expected: str) -> None:
    (found,) = problems_of(path, f"[const]\nx = {value}")
    assert found == f"{path}, line 3: const: x: {expected}"


def test_constants_keep_their_types(path: Path) -> None:
    const = "[const]\ni = 12345678901234567890123\nf = 1.5\nt = '7'\nb = true\nl = [1, 'a']\nd = {a = 1}"
    with pytest.raises(InputError):
        resolve_file(path, const.replace("1.5", "nan"))
    const = const.replace("12345678901234567890123", "1234567890123456789")
    assert resolve_file(path, const).job.const == {
        "i": 1234567890123456789, "f": 1.5, "t": "7", "b": True, "l": [1, "a"], "d": {"a": 1},
    }  # fmt: skip


@pytest.mark.parametrize("const", [{"n": None}, {"n": {"a": [None]}, "text": "null", "x=1": 2.5}, {"x": 10**30}])
def test_the_stored_job_keeps_every_constant(path: Path, const: dict[str, Any]) -> None:
    write_job(path, build_job({"input": "rows.csv", "workflow_id": "w", "const": const}))
    assert resolve_flags(config=(str(path),)).job.const == const


@pytest.mark.parametrize("line", ["const = 3", 'const = ["x=1"]', 'const = "x=1"', "const = '[1]'"])
def test_constants_that_are_neither_a_table_nor_an_object_in_text(path: Path, line: str) -> None:
    assert problems_of(path, line)[0].startswith(f"{path}, line 3: const: expected a table of names and values")


def test_a_python_date_is_refused_too() -> None:
    with pytest.raises(InputError, match="write it in quotes"):
        build_job({"input": "a", "workflow_id": "w", "const": {"day": datetime.date(2024, 1, 1)}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[limits]\nrps = 3", "line 3: limits: unknown table; options stand above all tables"),
        ("[params]\na = 'b'", "line 3: params: unknown table; did you mean param?"),
        ("token = 's3cret'", "line 3: unknown option 'token'; did you mean token-file?"),
        ("RPS = 3", "line 3: unknown option 'RPS'; did you mean rps?"),
        ("config = 'x'", "line 3: unknown option 'config'"),
        ("max-polls = 1\nmax_polls = 2", "max-polls is given twice, with a dash and with an underscore"),
        ("rps = = 3", "is not valid TOML: Invalid value (at line 3, column 7)"),
        ("rps = 1\nrps = 2", "is not valid TOML: Cannot overwrite a value"),
    ],
)
def test_an_unknown_name_is_reported_with_its_line(path: Path, text: str, expected: str) -> None:
    (found,) = problems_of(path, text)
    assert found.startswith(str(path))
    assert expected in found
    assert "s3cret" not in found


def test_an_option_below_a_table_is_a_constant_and_causes_a_warning(path: Path) -> None:
    command = resolve_file(path, "[const]\nmodel = 'fast'\nmax-in-flight = 20\nlimit = 3")
    (line,) = command.warnings
    assert line.startswith(f"{path}, line 3: const: max-in-flight is an input of the workflow here")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    assert problems_of(config=(str(tmp_path / "job"),)) == [
        f"{tmp_path / 'job'}: is a directory, not a file of options"
    ]
    (tmp_path / "job" / "job.toml").write_text("")
    assert problems_of(config=(str(tmp_path / "job"),))[0].endswith(f"name the file: {tmp_path / 'job' / 'job.toml'}")
    assert problems_of(config=(str(tmp_path / "no"),)) == [
        f"{tmp_path / 'no'}: cannot be read: No such file or directory"
    ]
    (tmp_path / "latin").write_bytes(b"key = '\xe9'")
    assert problems_of(config=(str(tmp_path / "latin"),)) == [
        f"{tmp_path / 'latin'} is not valid TOML: it is not UTF-8 text"
    ]
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbf" + REQUIRED.encode())
    assert resolve_flags(config=(str(tmp_path / "bom"),)).job.workflow_id == "w"


def test_two_files_are_refused(path: Path) -> None:
    path.write_text(REQUIRED)
    assert problems_of(config=(str(path), str(path))) == [
        "-c: only one file can be read; put the options of all into one"
    ]
