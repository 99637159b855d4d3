"""All mistakes in the options of a job, and all contradictions, are reported together."""

from typing import Any

import pytest

from batchrun.errors import InputError
from batchrun.job import build_job
from batchrun.options.names import option_name
from tests.unit.built_jobs import job, mistakes

# -- mistakes


def test_all_mistakes_are_reported_together_one_per_line() -> None:
    with pytest.raises(InputError) as caught:
        build_job(
            {"workflow_id": "", "rps": 0, "max_in_flight": "many", "base_url": "ftp://x", "retries": -1, "oops": 1}
        )
    lines = list(caught.value.problems)
    assert str(caught.value).splitlines() == lines
    assert len(lines) == 7
    for start in ("INPUT", "--workflow-id", "--rps", "--max-in-flight", "--base-url", "--retries", "unknown option"):
        assert any(line.startswith(start) for line in lines), start


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("max_inflight", "max-in-flight"), ("poll-rps", "poll-rps"), ("workflowid", "workflow-id"), ("retrys", "retries")],
)
def test_an_unknown_option_suggests_a_similar_one(wrong: str, meant: str) -> None:
    (line,) = mistakes(**{wrong: 1})
    assert line.startswith("unknown option")
    assert line.endswith(f"did you mean {meant}?")


def test_an_unknown_option_in_a_file_is_reported_with_its_location() -> None:
    with pytest.raises(InputError) as caught:
        build_job({"input": "a", "workflow_id": "w", "rsp": 1}, {"rsp": "job.toml, line 3: rsp"})
    assert str(caught.value) == "job.toml, line 3: unknown option 'rsp'; did you mean rps?"


def test_an_unknown_option_without_a_similar_one_has_no_suggestion() -> None:
    assert mistakes(zzz=1) == ["unknown option 'zzz'"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rps", 0),
        ("rps", -1),
        ("rps", "inf"),
        ("rps", "nan"),
        ("rps", "fast"),
        ("rps", 1e9),
        ("poll_rps", 0),
        ("total_rps", 0),
        ("max_in_flight", 0),
        ("max_in_flight", 1.5),
        ("max_connections", -3),
        ("max_polls", 0),
        ("limit", 0),
        ("limit", "x"),
        ("poll_initial", 0),
        ("run_timeout", "0s"),
        ("run_timeout", "nan"),
        ("run_timeout", float("inf")),
        ("max_runtime", "soon"),
        ("retries", -1),
        ("api", "v2"),
        ("in_doubt", "forget"),
        ("format", "xls"),
        ("seed", 1.5),
        ("retry_failed_runs", "perhaps"),
    ],
)
def test_an_invalid_value_is_reported_with_its_option(name: str, value: object) -> None:
    (line,) = mistakes(**{name: value})
    assert line.startswith(f"{option_name(name)}: ")
    assert line.endswith(f"(got {value!r})")


# -- contradictions


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"poll_initial": 10, "poll_max": 5},
            "--poll-max is less than --poll-initial (5 < 10 seconds); change one of them",
        ),
        (
            {"poll_initial": 60},
            "--poll-max is less than --poll-initial (30 < 60 seconds); change one of them",
        ),
        (
            {"sim": ["fail=0.1"]},
            (
                "--sim is for rehearsals, and without --simulate this job goes to the real service; "
                "add --simulate, or leave it out"
            ),
        ),
        (
            {"param": {"x": "a", "y": "b"}, "skip": ["c", "b"]},
            "--skip b: the column is also sent by --param; leave one of them out",
        ),
        (
            {"param": {"x": "a"}, "const": {"x": 1}},
            "--const x: the input is also sent from a column by --param; leave one of them out",
        ),
        (
            {"rename": {"x": "a", "y": "b"}, "skip": ["c", "b"]},
            "--skip b: the column is also sent by --rename; leave one of them out",
        ),
        (
            {"rename": {"x": "a"}, "const": {"x": 1}},
            "--const x: the input is also sent from a column by --rename; leave one of them out",
        ),
        (
            {"rename": {"x": "a"}, "param": {"y": "b"}},
            "--param sends only the columns that it names, --rename all; use one of them",
        ),
    ],
)
def test_contradicting_options_are_refused(values: dict[str, Any], expected: str) -> None:
    assert mistakes(**values) == [expected]


def test_conflicts_are_reported_together_with_all_other_mistakes() -> None:
    found = mistakes(sim=["fail=1"], poll_initial=60, rps=0, oops=1)
    assert [line.split(" ")[0] for line in found] == ["--rps:", "unknown", "--poll-max", "--sim"]


def test_an_invalid_value_is_not_part_of_a_conflict() -> None:
    (line,) = mistakes(poll_initial=60, poll_max="x")
    assert line.startswith("--poll-max: ")


def test_a_conflict_names_the_locations_of_its_values() -> None:
    with pytest.raises(InputError) as caught:
        build_job(
            {"input": "a", "workflow_id": "w", "poll_initial": 60, "poll_max": "9"},
            {"poll_initial": "job.toml, line 3: poll-initial", "poll_max": "BATCHRUN_POLL_MAX"},
        )
    assert str(caught.value).startswith(
        "BATCHRUN_POLL_MAX is less than job.toml, line 3: poll-initial (9 < 60 seconds)"
    )


@pytest.mark.parametrize(
    "values",
    [
        {"poll_initial": 5, "poll_max": 5},
        {"simulate": True, "sim": ["fail=1"]},
        {"simulate": True, "token_file": "t", "base_url": "https://x", "ca_file": "c"},
        {"max_connections": 100, "max_in_flight": 1},
        {"param": {"x": "a"}, "skip": ["b"], "const": {"a": 1}},
    ],
)
def test_options_without_effect_are_allowed_together(values: dict[str, Any]) -> None:
    assert job(**values).model_fields_set >= set(values)


@pytest.mark.parametrize("name", ["input", "out", "token_file", "oauth_config", "checkpoint_dir", "ca_file", "reuse"])
def test_a_path_that_is_empty_is_not_the_working_directory(name: str) -> None:
    with pytest.raises(InputError) as caught:
        build_job({"input": "a", "workflow_id": "w", name: ""})
    assert str(caught.value) == f"{option_name(name)}: is empty (got '')"


def test_a_job_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        job().rps = 20


@pytest.mark.parametrize("name", ["base_url", "callback_url"])
@pytest.mark.parametrize("value", ["https://h/v1?token=hush", "https://h#hush", "me:hush@h", "h?hush"])
def test_secrets_in_a_wrong_address_are_not_repeated(name: str, value: str) -> None:
    with pytest.raises(InputError, match="with no user, query or fragment") as refused:
        build_job({"input": "rows.csv", "workflow_id": "w", name: value})
    assert "hush" not in str(refused.value)
