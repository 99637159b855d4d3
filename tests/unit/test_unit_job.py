"""The job: its defaults are those of the contract, and all mistakes are reported together."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.input_formats import stem
from batchrun.errors import InputError
from batchrun.job import PINNED, Job, build_job, option_name
from batchrun.option_types import parse_duration

# The table "Options of run" of contract.md 2, copied by hand. None: no limit, not given, or a default that depends on
# the dialect or on other options.
CONTRACT: dict[str, object] = {
    "api": "auto",
    "bot_id": None,
    "app_id": None,
    "workflow_version": None,
    "ext": {},
    "plan": None,
    "base_url": None,
    "simulate": False,
    "token_file": None,
    "encoding": "utf-8",
    "delimiter": None,
    "param": {},
    "skip": [],
    "const": {},
    "type": {},
    "key": None,
    "mode": "async",
    "rps": 10,
    "poll_rps": 50,
    "total_rps": None,
    "rate_control": "adaptive",
    "max_in_flight": None,  # 500; with --api open 1,000
    "max_connections": None,
    "poll_initial": 1,
    "poll_max": 30,
    "max_polls": None,
    "run_timeout": 3600,
    "request_timeout": None,
    "drain_timeout": 20,
    "max_outage": 15 * 60,
    "retries": 3,
    "retry_failed_runs": False,
    "in_doubt": "hold",
    "max_failures": None,
    "max_submissions": None,
    "max_tokens": None,
    "max_runtime": None,
    "limit": None,
    "callback_url": None,
    "callback_listen": None,
    "select": {},
    "checkpoint_dir": None,
    "ca_file": None,
    "seed": None,
    "format": None,
}
OTHER_FIELDS = {
    "input",
    "workflow_id",
    "out",
    "sim",
    "flatten",
    "reuse",
    "token_command",
    "allow_insecure",
    "schema",
    "poll_schedule",
}
"""Fields of the job that are not rows of that table with a default to check."""


def job(**values: object) -> Job:
    return build_job({"input": "in.csv", "workflow_id": "w", **values})


def mistakes(**values: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        job(**values)
    assert caught.value.exit_code == 2
    return list(caught.value.problems)


def test_runs_in_flight_by_default() -> None:
    limits = {api: job(api=api).in_flight_limit for api in ("auto", "v1", "open", "studio")}
    assert limits == {"auto": 500, "v1": 500, "open": 1000, "studio": 500}
    assert job(api="open", mode="sync").in_flight_limit == 500
    assert job(api="open", max_in_flight=7).in_flight_limit == 7


@pytest.mark.parametrize("name", sorted(CONTRACT))
def test_the_default_is_the_contracts(name: str) -> None:
    assert getattr(job(), name) == CONTRACT[name]


@pytest.mark.parametrize(
    ("given_", "resolved"),
    [
        ({}, (100, 30, 30)),
        ({"max_in_flight": 20, "run_timeout": 600}, (100, 30, 30)),
        ({"mode": "sync"}, (500, 3600, 30)),
        ({"mode": "sync", "max_in_flight": 20, "run_timeout": 600}, (20, 600, 30)),
        ({"mode": "sync", "max_connections": 5, "request_timeout": 70}, (5, 70, 70)),
        ({"max_connections": 5, "request_timeout": 70}, (5, 70, 70)),
    ],
)
def test_defaults_that_depend_on_the_mode(given_: dict[str, object], resolved: tuple[int, float, float]) -> None:
    built = job(**given_)
    assert (built.connections, built.submit_timeout, built.poll_timeout) == resolved


def test_the_job_has_no_option_that_the_contract_does_not_know() -> None:
    assert set(Job.model_fields) - set(CONTRACT) <= OTHER_FIELDS


def test_what_is_required() -> None:
    with pytest.raises(InputError) as caught:
        build_job({})
    assert [line.partition(": ")[0] for line in caught.value.problems] == [
        "INPUT is missing",
        "--workflow-id is missing",
    ]


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


@pytest.mark.parametrize("name", ["input", "out", "token_file", "checkpoint_dir", "ca_file", "reuse"])
def test_a_path_that_is_empty_is_not_the_working_directory(name: str) -> None:
    with pytest.raises(InputError) as caught:
        build_job({"input": "a", "workflow_id": "w", name: ""})
    assert str(caught.value) == f"{option_name(name)}: is empty (got '')"


def test_a_job_does_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        job().rps = 20


# -- durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1d", 86400),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("1h 30m 5s", 5405),
        (" 15m ", 900),
        (7, 7),
        (2.5, 2.5),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert job(max_runtime=text).max_runtime == seconds


@pytest.mark.parametrize("text", ["", " ", "soon", "-5s", "5x", "1h30", "30 5s", "m", "1e3", "1,5h", "s5", "5 s s"])
def test_invalid_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected seconds, or a duration such as 90s, 10m or 2h"):
        parse_duration(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_durations_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize(
    "name", ["poll_initial", "poll_max", "run_timeout", "request_timeout", "drain_timeout", "max_outage"]
)
def test_every_duration_takes_units(name: str) -> None:
    assert getattr(job(**{"poll_max": "1h", name: "2s"}), name) == 2


# -- max_failures


@pytest.mark.parametrize(
    ("given_", "allowed"),
    [(None, (None, None)), (100, (100, None)), ("100", (100, None)), ("5%", (None, 5.0)), ("0.5%", (None, 0.5))],
)
def test_failures_allowed_are_a_count_or_a_share(given_: object, allowed: tuple[int | None, float | None]) -> None:
    assert job(max_failures=given_).failures_allowed == allowed


@pytest.mark.parametrize("text", ["-1", "five", "5 %", "%", "1.5", "", "5%%", "1e2", -3])
def test_invalid_max_failures_are_refused(text: object) -> None:
    (line,) = mistakes(max_failures=text)
    assert line.startswith("--max-failures: expected a count such as 100, or a share such as 5%")


# -- addresses


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://api.coze.cn", "https://api.coze.cn"),
        ("https://api.coze.cn/", "https://api.coze.cn"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://gateway.example/coze/", "https://gateway.example/coze"),
    ],
)
def test_base_urls(text: str, kept: str) -> None:
    assert job(base_url=text).base_url == kept


@pytest.mark.parametrize(
    "text",
    [
        "api.coze.cn", "ftp://x", "https://", "https:///v1", "https://user:secret@x", "https://x?a=1", "https://x#a",
        "https://x/a b", "https://x /", "https://x/v1?a", "", "http:/x", "//x",
    ],
)  # fmt: skip
def test_invalid_base_urls_are_refused(text: str) -> None:
    (line,) = mistakes(base_url=text)
    assert line.startswith("--base-url: expected an address such as https://api.coze.cn")


# -- text inputs


@pytest.mark.parametrize(("text", "kept"), [(";", ";"), ("\t", "\t"), ("\\t", "\t"), ("tab", "\t"), ("|", "|")])
def test_delimiters(text: str, kept: str) -> None:
    assert job(delimiter=text).delimiter == kept


@pytest.mark.parametrize("text", ["", ";;", '"', "\n", "\r"])
def test_invalid_delimiters_are_refused(text: str) -> None:
    (line,) = mistakes(delimiter=text)
    assert line.startswith("--delimiter: expected one character")


# -- folders


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("rows.csv", "rows"),
        ("data/rows.csv", "rows"),
        ("rows.2025.parquet", "rows.2025"),
        ("rows.csv.gz", "rows"),
        ("rows.tsv.zst", "rows"),
        ("ROWS.CSV", "ROWS"),
        ("rows.txt", "rows.txt"),
        (".csv", "input"),
    ],
)
def test_the_name_of_an_input_without_its_known_suffixes(path: str, name: str) -> None:
    assert stem(Path(path)) == name


def test_the_run_directory_is_named_after_the_input_in_the_working_directory() -> None:
    assert build_job({"input": "data/rows.csv", "workflow_id": "w"}).folder == Path("rows-run")
    assert build_job({"input": "data/rows.csv", "workflow_id": "w", "simulate": True}).folder == Path("rows-simulated")
    assert job(out="here").folder == Path("here")


def test_the_checkpoint_is_in_the_run_directory_unless_it_has_its_own() -> None:
    assert job(out="here").checkpoint_folder == Path("here")
    assert job(out="here", checkpoint_dir="/local").checkpoint_folder == Path("/local")


# -- what is pinned


def test_exactly_the_options_of_the_contract_are_pinned() -> None:
    contract = {
        "format", "encoding", "param", "skip", "const", "type", "key", "workflow_id", "api", "base_url", "simulate",
    }  # fmt: skip
    assert set(PINNED) - {"delimiter"} == contract
    assert set(job().pinned()) == set(PINNED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "tsv"),
        ("encoding", "latin-1"),
        ("delimiter", ";"),
        ("param", {"a": "b"}),
        ("skip", ["a"]),
        ("const", {"a": 1}),
        ("key", "id"),
        ("workflow_id", "other"),
        ("base_url", "https://other"),
        ("simulate", True),
    ],
)
def test_each_pinned_option_distinguishes_jobs(name: str, value: Any) -> None:
    assert job().pinned() != job(**{name: value}).pinned()


def test_giving_the_default_base_url_is_the_same_job() -> None:
    assert job().pinned() == job(base_url="https://api.coze.cn/").pinned()


def test_the_order_of_skipped_columns_does_not_matter() -> None:
    assert job(skip=["b", "a"]).pinned() == job(skip=["a", "b"]).pinned()


def test_the_address_of_a_simulated_job_does_not_matter() -> None:
    assert job(simulate=True).pinned() == job(simulate=True, base_url="http://127.0.0.1:1").pinned()


@given(st.sampled_from(sorted(set(Job.model_fields) - set(PINNED))))
def test_option_names_are_the_fields_with_dashes(field: str) -> None:
    expected = {"input": "INPUT", "out": "-o"}.get(field, "--" + field.replace("_", "-"))
    assert option_name(field) == expected


# -- callbacks

JOB = {"input": "rows.csv", "workflow_id": "w"}


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("localhost:65535", ("localhost", 65535)),
        ("[::1]:8080", ("::1", 8080)),
        ("[fe80::1%eth0]:1", ("fe80::1%eth0", 1)),
    ],
)
def test_listen_addresses(listen: str, address: tuple[str, int]) -> None:
    job = build_job(JOB | {"callback_url": "https://x.example:8443/a/b/", "callback_listen": listen})
    assert job.callback_address == address
    assert job.callback_url == "https://x.example:8443/a/b"


@pytest.mark.parametrize(
    "listen",
    ["127.0.0.1", ":8080", "x:", "x:0", "x:65536", "x:-1", "::1:80", "[::1]", "http://x:80", "x:8o", "x y:1", ""],
)
def test_invalid_listen_addresses_are_refused(listen: str) -> None:
    with pytest.raises(InputError, match="--callback-listen: expected"):
        build_job(JOB | {"callback_url": "https://x", "callback_listen": listen})


@pytest.mark.parametrize(
    "url", ["x.example", "ftp://x", "https://", "https://x?a=1", "https://x/#f", "https://u:p@x", ""]
)
def test_invalid_callback_urls_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="--callback-url: expected an address") as caught:
        build_job(JOB | {"callback_url": url, "callback_listen": "x:1"})
    assert "u:p" not in str(caught.value)


def test_callback_url_and_callback_listen_need_each_other() -> None:
    with pytest.raises(InputError, match="--callback-url needs --callback-listen"):
        build_job(JOB | {"callback_url": "https://x"})
    with pytest.raises(InputError, match="--callback-listen needs --callback-url"):
        build_job(JOB | {"callback_listen": "x:1"})
    assert build_job(JOB).callback_address is None


def test_callbacks_are_not_pinned() -> None:
    with_callbacks = build_job(JOB | {"callback_url": "https://x", "callback_listen": "x:1"})
    assert with_callbacks.pinned() == build_job(JOB).pinned()
