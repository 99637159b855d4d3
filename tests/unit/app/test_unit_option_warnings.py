"""Options that cause a warning, and options that do not."""

from pathlib import Path
from typing import Any

import pytest

from batchrun.adapters.tables import Source, open_table
from batchrun.app.option_warnings import column_warnings, option_warnings
from batchrun.job import Job, build_job
from tests.support.detailed_dialect import registered


def job(**values: Any) -> Job:
    return build_job({"input": "rows.csv", "workflow_id": "w", **values})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"input": "a.parquet", "delimiter": ";"}, "--delimiter has no effect: a.parquet is parquet"),
        ({"format": "arrow", "encoding": "latin-1"}, "--encoding has no effect: rows.csv is arrow"),
        ({"input": "a.feather", "delimiter": ";"}, "--delimiter has no effect: a.feather is arrow"),
        ({"input": "a.ndjson.gz", "delimiter": ";"}, "--delimiter has no effect: a.ndjson.gz is jsonl"),
        ({"retry_failed_runs": True, "retries": 0}, "--retry-failed-runs has no effect with --retries 0"),
        ({"run_timeout": 5, "poll_initial": 10}, "--run-timeout 5 ends before the first poll (--poll-initial 10)"),
        (
            {"mode": "sync", "callback_url": "https://x.example", "callback_listen": "127.0.0.1:8080"},
            "--callback-url has no effect on rows that are sent with --mode sync",
        ),
        ({"vary": {"workflow_id": ["a", "b"]}}, "--vary workflow_id varies an input of the workflow"),
        ({"skip": ["a"], "param": {"x": "b"}}, "--skip has no effect together with --param"),
        ({"max_failures": "100%"}, "--max-failures 100% sets no limit"),
        ({"max_tokens": 5, "api": "v1"}, "--max-tokens has no effect: the answers of --api v1 report no tokens"),
    ],
)
def test_an_option_without_effect_causes_a_warning(values: dict[str, Any], expected: str) -> None:
    (line,) = option_warnings(job(**values))
    assert line.startswith(expected)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"delimiter": ";", "encoding": "latin-1"},
        {"input": "a.jsonl", "encoding": "latin-1"},
        {"input": "a.parquet", "encoding": "UTF-8"},
        {"simulate": True, "token_file": "t", "base_url": "https://x", "ca_file": "c", "sim": ["fail=0.1"]},
        {"max_connections": 100, "max_in_flight": 1},
        {"total_rps": 1, "rps": 10},
        {"mode": "sync", "run_timeout": 5, "poll_initial": 10},
        {"callback_url": "https://x.example", "callback_listen": "127.0.0.1:8080"},
        {"retry_failed_runs": True, "retries": 1},
        {"limit": 1, "max_failures": 10},
        {"request_timeout": 60, "drain_timeout": 1, "max_runtime": 5},
        {"skip": ["a"], "const": {"a": 1}},
        {"in_doubt": "resubmit", "retries": 0},
        {"max_failures": "99%"},
        {"max_submissions": 5},
        {"max_tokens": 5, "api": "detailed"},
    ],
)
def test_valid_options_cause_no_warning(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch)
    assert list(option_warnings(job(**values))) == []


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("a;b", "--delimiter ';'"),
        ("a\tb", "--delimiter '\\t'"),
        ("a|b", "--delimiter '|'"),
        ("a,b;c", None),
        ("a", None),
    ],
)
def test_a_single_column_with_another_delimiter_in_its_name_causes_a_warning(
    tmp_path: Path, header: str, expected: str | None
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(f"{header}\n")
    lines = list(column_warnings(job(input=path), open_table(Source(path))))
    assert [expected in line for line in lines if expected is not None] == [True] * (expected is not None)
    assert len(lines) == (expected is not None)
