"""The job file of `init` is valid as it is written, and with every option uncommented."""

import re
from pathlib import Path

import pytest

from batchrun.app.job_file import read_options
from batchrun.cli.job_template import EXAMPLE, EXAMPLES, job_template
from batchrun.cli.option_sources import resolve
from batchrun.cli.run_flags import RUN_FLAGS
from batchrun.errors import InputError
from batchrun.job import Job

GIVEN = {"input": "rows.csv", "workflow_id": "w"}
OPTION = re.compile(r"^#([a-z][a-z-]* = .*|\[[a-z]+\])$")


def resolved(path: Path, text: str) -> object:
    path.write_text(text)
    names = (*Job.model_fields, *RUN_FLAGS)
    return resolve(dict.fromkeys(names) | {"config": (str(path),)}, {})


def test_every_option_is_there_once() -> None:
    text = job_template({})
    for name in {*Job.model_fields, *RUN_FLAGS}:
        option = re.escape(name.replace("_", "-"))
        blocks = [
            block
            for block in text.split("\n\n")
            if re.search(rf"^#({option} = |\[{option}\]|\[\[{option}\]\])", block, re.M)
        ]
        assert len(blocks) == (name not in {"fresh", "dry_run"}), name


def test_as_written_it_holds_the_given_options(tmp_path: Path) -> None:
    path = tmp_path / "batchrun.toml"
    path.write_text(job_template(GIVEN))
    assert read_options(path).values == {"input": tmp_path / "rows.csv", "workflow_id": "w"}


def test_uncommenting_every_default_does_not_change_the_job(tmp_path: Path) -> None:
    text = job_template(GIVEN)
    lines = [line[1:] if OPTION.match(line) and not line.endswith(EXAMPLE) else line for line in text.splitlines()]
    uncommented = "\n".join(lines)
    path = tmp_path / "batchrun.toml"
    assert resolved(path, uncommented) == resolved(path, text)
    defaults = {name for name, info in Job.model_fields.items() if not info.is_required() and info.default is not None}
    assert defaults <= set(read_options_of(path, uncommented))


def test_a_duration_is_written_as_everywhere_else() -> None:
    assert '\n#max-outage = "15m"\n' in job_template({}) + "\n"


def read_options_of(path: Path, text: str) -> dict[str, object]:
    path.write_text(text)
    return read_options(path).values


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_a_valid_value_of_its_option(tmp_path: Path, name: str) -> None:
    option = name.replace("_", "-")
    text = job_template({key: value for key, value in GIVEN.items() if key != name})
    text = text.replace("#simulate = false", "simulate = true") if name == "sim" else text
    for other in {"callback_url", "callback_listen"} - {name} if name.startswith("callback") else ():
        text = re.sub(f"^#({other.replace('_', '-')} = )", r"\1", text, flags=re.M)
    lines = text.splitlines()
    (start,) = [
        number
        for number, line in enumerate(lines)
        if line in {f"#[{option}]", f"#[[{option}]]"} or (line.startswith(f"#{option} = ") and line.endswith(EXAMPLE))
    ]
    lines[start] = lines[start][1:]
    if lines[start].startswith("["):
        lines[start + 1] = lines[start + 1][1:]
    path = tmp_path / "batchrun.toml"
    resolved(path, "\n".join(lines))
    assert name in read_options_of(path, "\n".join(lines))


def test_every_option_without_a_default_has_an_example() -> None:
    without = {name for name, info in Job.model_fields.items() if info.is_required() or info.default in (None, [], {})}
    assert set(EXAMPLES) == without | {"log_file"}


def test_given_values_are_quoted(tmp_path: Path) -> None:
    values = read_options_of(tmp_path / "b.toml", job_template({"input": 'a "b"\\.csv', "workflow_id": "x'y"}))
    assert values == {"input": tmp_path / 'a "b"\\.csv', "workflow_id": "x'y"}


def test_required_options_must_be_set(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        resolved(tmp_path / "batchrun.toml", job_template({}))
    assert [problem.split(" is ")[0] for problem in caught.value.problems] == ["INPUT", "--workflow-id"]
