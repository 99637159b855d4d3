"""Flags override the environment, which overrides the file. Mistakes are reported with their location."""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.app.job_file import write_job
from batchrun.cli.option_sources import ResolvedCommand, resolve
from batchrun.cli.options import REPEATED
from batchrun.cli.run_flags import RUN_FLAGS
from batchrun.errors import InputError
from batchrun.job import Job, build_job

NAMES = (*Job.model_fields, *RUN_FLAGS, "config")
REQUIRED = 'input = "rows.csv"\nworkflow-id = "w"\n'


def resolve_flags(environ: Mapping[str, str] | None = None, /, **flags: Any) -> ResolvedCommand:
    """Resolve the command `run` with these flags."""
    return resolve(dict.fromkeys(NAMES) | flags, environ or {})


def resolve_file(path: Path, text: str, environ: Mapping[str, str] | None = None, /, **flags: Any) -> ResolvedCommand:
    path.write_text(REQUIRED + text)
    return resolve_flags(environ, config=(str(path),), **flags)


def problems_of(*args: Any, **flags: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        (resolve_file if args and isinstance(args[0], Path) else resolve_flags)(*args, **flags)
    return list(caught.value.problems)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.toml"


# -- precedence

VALUES: dict[str, list[Any]] = {
    "rps": [1.0, 2.0, 3.0],
    "max_in_flight": [1, 2, 3],
    "run_timeout": [50.0, 60.0, 70.0],
    "in_doubt": ["resubmit", "fail", "hold"],
    "max_failures": ["1", "2%", "3"],
    "key": ["a", "b", "c"],
    "retry_failed_runs": [False, True, True],
    "progress": ["log", "bar", "none"],
    "verbose": [1, 2, 3],
    "json": [False, True, True],
}


@pytest.mark.parametrize("name", VALUES)
@given(layers=st.sets(st.sampled_from(["file", "environment", "flag"])))
def test_a_flag_overrides_the_environment_which_overrides_the_file(
    tmp_path_factory: pytest.TempPathFactory, name: str, layers: set[str]
) -> None:
    file_value, environment_value, flag_value = VALUES[name]
    option = name.replace("_", "-")
    toml_value = f'"{file_value}"' if isinstance(file_value, str) else str(file_value).lower()
    command = resolve_file(
        tmp_path_factory.mktemp("layers") / "some.toml",
        f"{option} = {toml_value}\n" if "file" in layers else "",
        {f"BATCHRUN_{name.upper()}": str(environment_value)} if "environment" in layers else {},
        **({name: flag_value} if "flag" in layers else {}),
    )
    field = {"json": "as_json"}.get(name, name)
    default = (Job if name in Job.model_fields else type(command.run_flags)).model_fields[field].default
    expected = next(
        (
            value
            for layer, value in (("flag", flag_value), ("environment", environment_value), ("file", file_value))
            if layer in layers
        ),
        default,
    )
    assert getattr(command.job if name in Job.model_fields else command.run_flags, field) == expected


def test_run_flags_can_be_set_in_a_file(path: Path) -> None:
    command = resolve_file(path, 'progress = "json"\njson = true\nverbose = 2\nfresh = true\n[param]\na = "b"\n')
    run_flags = command.run_flags
    assert (run_flags.progress, run_flags.as_json, run_flags.verbose, run_flags.fresh) == ("json", True, 2, True)
    assert resolve_file(path, "quiet = true").run_flags.quiet
    assert command.job.param == {"a": "b"}


@pytest.mark.parametrize("underscore", [False, True])
def test_a_name_may_be_spelled_with_dashes_or_underscores(path: Path, underscore: bool) -> None:
    name = "max_in_flight" if underscore else "max-in-flight"
    assert resolve_file(path, f"{name} = 7").job.max_in_flight == 7


def test_a_file_named_by_the_environment_is_read_and_a_flag_names_another(tmp_path: Path) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(REQUIRED + "rps = 1")
    second.write_text(REQUIRED + "rps = 2")
    assert resolve_flags({"BATCHRUN_CONFIG": str(first)}).job.rps == 1
    assert resolve_flags({"BATCHRUN_CONFIG": str(first)}, config=(str(second),)).job.rps == 2


def test_a_resumption_starts_from_the_stored_job() -> None:
    stored_job = build_job({"input": "in.csv", "workflow_id": "w", "rps": 3, "retries": 5, "max_polls": 9})
    flags: dict[str, Any] = {"rps": None, "retries": None, "max_polls": 8}
    job = resolve(flags, {"BATCHRUN_RPS": "4", "BATCHRUN_WORKFLOW_ID": "other"}, stored_job).job
    assert (job.rps, job.retries, job.max_polls, job.workflow_id) == (4, 5, 8, "w")


# -- the environment


@pytest.mark.parametrize(
    ("text", "value"),
    [(text, True) for text in ("1", "true", "yes", "on", "TRUE", "Yes")]
    + [(text, False) for text in ("0", "false", "no", "off", "OFF")],
)
def test_switches_in_the_environment(path: Path, text: str, value: bool) -> None:
    for name in ("simulate", "retry_failed_runs"):
        file = f"{name} = {str(not value).lower()}"
        assert getattr(resolve_file(path, file, {f"BATCHRUN_{name.upper()}": text}).job, name) is value
    run_flags = resolve_file(path, "", {"BATCHRUN_JSON": text, "BATCHRUN_VERBOSE": text}).run_flags
    assert (run_flags.as_json, run_flags.verbose) == (value, int(value))
    assert resolve_file(path, "", {"BATCHRUN_QUIET": text}).run_flags.quiet is value


def test_quiet_and_verbose_contradict_each_other_across_layers() -> None:
    with pytest.raises(InputError, match="BATCHRUN_QUIET and --verbose contradict each other"):
        resolve_flags({"BATCHRUN_QUIET": "1"}, verbose=1, input="in.csv", workflow_id="w")


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_variable_is_ignored(path: Path, text: str) -> None:
    empty = {f"BATCHRUN_{name.upper()}": text for name in (*NAMES, "nonsense")} | {"COZE_API_BASE": text}
    assert resolve_file(path, "rps = 4", empty) == resolve_file(path, "rps = 4")


def test_the_base_url_has_a_variable_shared_with_other_tools(path: Path) -> None:
    shared = {"COZE_API_BASE": "https://shared.example"}
    assert resolve_file(path, 'base-url = "https://file.example"', shared).job.base_url == "https://shared.example"
    assert (
        resolve_file(path, "", shared | {"BATCHRUN_BASE_URL": "https://own.example"}).job.base_url
        == "https://own.example"
    )
    (line,) = problems_of(path, "", {"COZE_API_BASE": "api.coze.cn"})
    assert line.startswith("COZE_API_BASE: expected an address")


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("BATCHRUN_MAX_INFLIGHT", "did you mean BATCHRUN_MAX_IN_FLIGHT?"),
        ("BATCHRUN_max_in_flight", "did you mean BATCHRUN_MAX_IN_FLIGHT?"),
        ("BATCHRUN_API_TOKEN", "the token is COZE_API_TOKEN"),
        ("BATCHRUN_HOUSE_COLOUR", "there is no option of this name"),
        ("BATCHRUN_PARAM", "set on the command line or in a file"),
        ("BATCHRUN_INPUT", "set on the command line or in a file"),
    ],
)
def test_a_variable_that_names_no_option_gets_a_warning_without_its_value(
    path: Path, variable: str, expected: str
) -> None:
    command = resolve_file(path, "", {variable: "s3cret", "OTHER_RPS": "x"})
    (line,) = command.warnings
    assert line.startswith(f"{variable} is not read: ")
    assert line.endswith(expected)
    assert "s3cret" not in line


def test_every_option_except_the_repeatable_ones_has_a_variable(path: Path) -> None:
    valid_values: dict[str, str] = {
        "api": "v1", "base_url": "https://x", "encoding": "latin-1", "delimiter": ";", "format": "csv",
        "in_doubt": "fail", "mode": "sync", "progress": "log", "poll_initial": "2", "poll_max": "60",
        "rate_control": "fixed", "plan": "team",
        "poll_schedule": "exponential",
        "callback_url": "https://x", "callback_listen": "localhost:1",
    }  # fmt: skip
    companions = {
        "callback_url": {"BATCHRUN_CALLBACK_LISTEN": "[::1]:2"},
        "callback_listen": {"BATCHRUN_CALLBACK_URL": "http://y"},
    }
    for name in set(NAMES) - REPEATED - {"input", "config"}:
        command = resolve_file(
            path, "", {f"BATCHRUN_{name.upper()}": valid_values.get(name, "1")} | companions.get(name, {})
        )
        assert name == "fresh" or not command.warnings
        assert name == "api" or command != resolve_file(path, ""), name
    ignored = {f"BATCHRUN_{name.upper()}": "7" for name in (*REPEATED, "input")}
    assert len(resolve_file(path, "", ignored).warnings) == len(ignored)


# -- paths


def test_paths_in_a_file_are_relative_to_it_and_in_the_environment_to_the_working_directory(
    tmp_path: Path, path: Path
) -> None:
    text = 'out = "job"\ntoken-file = "../t"\nca-file = "/abs"\ncheckpoint-dir = "c"\nreuse = "r"'
    job = resolve_file(path, text).job
    assert job.input == tmp_path / "rows.csv"
    assert (job.out, job.checkpoint_dir, job.reuse) == (tmp_path / "job", tmp_path / "c", tmp_path / "r")
    assert (job.token_file, job.ca_file) == (tmp_path / "../t", Path("/abs"))
    assert resolve_file(path, 'out = "job"', {"BATCHRUN_OUT": "here"}).job.out == Path("here")
    assert resolve_file(path, "", input="other.csv").job.input == Path("other.csv")


def test_a_glob_in_a_file_is_relative_to_the_file(tmp_path: Path, path: Path) -> None:
    path.write_text('input = "data/*.parquet"\nworkflow-id = "w"')
    assert resolve_flags(config=(str(path),)).job.input == tmp_path / "data" / "*.parquet"


def test_a_tilde_is_the_home_directory(path: Path) -> None:
    home = Path.home()
    assert resolve_file(path, 'token-file = "~/t"').job.token_file == home / "t"
    assert resolve_file(path, "", {"BATCHRUN_TOKEN_FILE": "~/t"}).job.token_file == home / "t"
    assert resolve_file(path, "", token_file="~nobody-of-this-name/t").job.token_file == Path("~nobody-of-this-name/t")


# -- mistakes


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
        ("rps = = 3", "is not TOML: Invalid value (at line 3, column 7)"),
        ("rps = 1\nrps = 2", "is not TOML: Cannot overwrite a value"),
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
        f"{tmp_path / 'latin'}: is not TOML: it is not UTF-8 text"
    ]
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbf" + REQUIRED.encode())
    assert resolve_flags(config=(str(tmp_path / "bom"),)).job.workflow_id == "w"


def test_two_files_are_refused(path: Path) -> None:
    path.write_text(REQUIRED)
    assert problems_of(config=(str(path), str(path))) == [
        "-c: only one file can be read; put the options of all into one"
    ]


# -- starting again, and token sources


def test_fresh_causes_a_warning_in_a_file_or_variable_but_not_as_a_flag(path: Path) -> None:
    assert resolve_file(path, "", fresh=True).warnings == ()
    for environ, text in (({"BATCHRUN_FRESH": "1"}, ""), ({}, "fresh = true")):
        command = resolve_file(path, text, environ)
        assert command.run_flags.fresh
        (line,) = command.warnings
        assert "starts anew and pays for every row again" in line
    assert resolve_file(path, "fresh = true", {"BATCHRUN_FRESH": "0"}).warnings == ()


def test_a_token_source_replaces_the_one_of_a_lower_layer(path: Path) -> None:
    in_file = 'token-file = "token"\n'
    assert resolve_file(path, in_file).job.token_file == path.parent / "token"
    job = resolve_file(path, in_file, {"BATCHRUN_TOKEN_COMMAND": "pass show coze"}).job
    assert (job.token_file, job.token_command) == (None, "pass show coze")
    job = resolve_file(path, in_file, {"BATCHRUN_TOKEN_COMMAND": "pass show coze"}, token_file="other").job
    assert (job.token_file, job.token_command) == (Path("other"), None)
    stored_job = build_job({"input": "rows.csv", "workflow_id": "w", "token_command": "pass show coze"})
    job = resolve({"token_file": "other"}, {}, stored_job).job
    assert (job.token_file, job.token_command) == (Path("other"), None)


def test_two_token_sources_in_one_layer_are_refused(path: Path) -> None:
    both = 'token-file = "token"\ntoken-command = "pass show coze"\n'
    problems = problems_of(path, both)
    assert any(
        "line 3: token-file and " in line and "line 4: token-command both give the token" in line for line in problems
    )
    assert any(
        "--token-file and --token-command both give" in line for line in problems_of(token_file="t", token_command="c")
    )


@pytest.mark.parametrize(("text", "expected"), [("''", "is empty"), ("'  '", "is empty"), ('"a \'b"', "not closed")])
def test_an_invalid_token_command_is_reported(path: Path, text: str, expected: str) -> None:
    assert any("token-command: " in line and expected in line for line in problems_of(path, f"token-command = {text}"))
