"""Flags override the environment, which overrides the file."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.cli.option_sources import resolve
from batchrun.cli.options import REPEATED
from batchrun.errors import InputError
from batchrun.job import Job, build_job
from tests.unit.cli.resolved_options import NAMES, REQUIRED, problems_of, resolve_file, resolve_flags

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
        ("BATCHRUN_TOKEN_FIL", "name (did you mean BATCHRUN_TOKEN_FILE?); the token is COZE_API_TOKEN"),
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
        "rate_control": "fixed", "plan": "team", "ray": "auto",
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
