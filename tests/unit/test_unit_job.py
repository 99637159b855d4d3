"""The job: its defaults are those of the contract, and what is pinned."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.input_formats import stem
from batchrun.errors import InputError
from batchrun.job import PINNED, Job, build_job
from batchrun.options.names import option_name
from tests.unit.built_jobs import job

# The table "Options of run" of contract.md 2, copied by hand. None: no limit, not given, or a default that depends on
# the dialect or on other options.
CONTRACT: dict[str, object] = {
    "api": "auto",
    "bot_id": None,
    "app_id": None,
    "workflow_version": None,
    "ext": {},
    "plan": None,
    "workers": None,
    "ray": None,
    "base_url": None,
    "simulate": False,
    "token_file": None,
    "oauth_config": None,
    "encoding": "utf-8",
    "delimiter": None,
    "param": {},
    "rename": {},
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
    "sample": None,
    "vary": {},
    "variant": None,
    "repeat": None,
    "score": {},
    "cluster": None,
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
    "share_limits",
    "poll_schedule",
    "file",
    "file_root",
}
"""Fields of the job that are not rows of that table with a default to check."""


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


@pytest.mark.parametrize("workers", [{"workers": 2}, {"ray": "auto"}])
@pytest.mark.parametrize("other", [{"share_limits": "x"}, {"file": ["picture"], "api": "open"}])
def test_what_needs_one_process_is_refused_with_workers(workers: dict[str, Any], other: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"--{next(iter(workers))}"):
        job(**workers, **other)
    assert job(workers=1, **other).on_workers is False


def test_what_is_required() -> None:
    with pytest.raises(InputError) as caught:
        build_job({})
    assert [line.partition(": ")[0] for line in caught.value.problems] == [
        "INPUT is missing",
        "--workflow-id is missing",
    ]


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
        ("[x].csv", "x"),
        ("data/[x].csv", "data"),
        ("*.csv", "input"),
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
        "vary", "variant", "repeat", "sample",
    }  # fmt: skip
    assert set(PINNED) - {"delimiter", "file", "rename"} == contract
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
