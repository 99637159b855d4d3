"""The next command that a summary recommends."""

from dataclasses import replace
from typing import Any

import pytest

from batchrun.domain.measures import Quantiles, SubmitRate
from batchrun.domain.summary import Process, ResultFiles, SessionFigures, Summary
from batchrun.views.closing_summary import show_summary
from batchrun.views.next_step import next_command, next_line

DONE = Summary(
    rows=10, completed=10, failed=0, timed_out=0, in_doubt=0, running=0, queued=0, submissions=10, polls=10,
    reused=0, throttled=0, elapsed_s=1.0, exit_code=0, errors_by_kind={}, session=SessionFigures(), folder="my job",
)  # fmt: skip

SETTLE = "batchrun retry 'my job' --in-doubt resubmit"


@pytest.mark.parametrize(
    ("figures", "command"),
    [
        ({}, None),
        ({"failed": 1, "exit_code": 3}, "batchrun retry 'my job'"),
        ({"timed_out": 1, "exit_code": 3}, "batchrun retry 'my job'"),
        ({"in_doubt": 1, "exit_code": 3}, SETTLE),
        ({"in_doubt": 1, "failed": 1, "exit_code": 3}, "batchrun retry 'my job'"),
        ({"in_doubt": 1, "failed": 1, "errors_by_kind": {"input": 1}, "exit_code": 3}, SETTLE),
        ({"failed": 1, "queued": 1, "exit_code": 75}, "batchrun resume 'my job'"),
        ({"failed": 1, "running": 1, "exit_code": None}, "batchrun resume 'my job'"),
        ({"failed": 1, "exit_code": 4}, "batchrun retry 'my job'"),
        ({"exit_code": 74}, "batchrun resume 'my job'"),
        ({"running": 1, "process": Process(7, "here"), "exit_code": None}, "batchrun status 'my job' --watch"),
        ({"queued": 1, "exit_code": 4, "advised_options": "--api open"}, "batchrun resume 'my job' --api open"),
        ({"queued": 1, "exit_code": 4, "reason": "it said: use --in-doubt resubmit"}, "batchrun resume 'my job'"),
        ({"failed": 1, "errors_by_kind": {"input": 1}, "exit_code": 3}, None),
        ({"failed": 2, "errors_by_kind": {"input": 1, "rejected": 1}, "exit_code": 3}, "batchrun retry 'my job'"),
    ],
)
def test_the_next_command(figures: dict[str, Any], command: str | None) -> None:
    assert next_command(replace(DONE, **figures)) == command


@pytest.mark.parametrize(
    ("figures", "choice"),
    [
        ({"failed": 1}, ""),
        ({"in_doubt": 1}, "sends them again, may pay twice; fail instead of resubmit gives them up"),
        (
            {"in_doubt": 1, "failed": 1},
            "leaves rows in doubt as they are; --in-doubt resubmit sends them, too, and may pay twice",
        ),
    ],
)
def test_what_else_may_be_meant_is_told_with_the_command(figures: dict[str, Any], choice: str) -> None:
    line = next_line(replace(DONE, exit_code=3, **figures)) or ""
    assert line.partition("   (")[2].removesuffix(")") == choice


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        ({"result_files": ResultFiles.CURRENT}, "results    my job/outputs.parquet"),
        ({"has_scores": True}, "results    my job/outputs.parquet, my job/scores.parquet"),
        (
            {"result_files": ResultFiles.MISSING},
            "results    not written yet (batchrun export 'my job' writes them)",
        ),
        (
            {"result_files": ResultFiles.OLDER},
            "results    my job/outputs.parquet; older than these figures (batchrun export 'my job' writes them anew)",
        ),
    ],
)
def test_result_files_are_named_if_they_are_there(
    figures: dict[str, Any], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_summary(replace(DONE, **figures))
    assert line in capsys.readouterr().out.splitlines()


def test_the_share_of_the_rate_is_shown_of_a_session_that_sent_something(capsys: pytest.CaptureFixture[str]) -> None:
    used = SubmitRate(46.5, 50.0, 0.93)
    show_summary(replace(DONE, submit_rate=used))
    assert "--rps" not in capsys.readouterr().out
    show_summary(replace(DONE, submit_rate=used, session=SessionFigures(submissions=9)))
    assert "submissions at 93 % of --rps 50" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        ({"total_tokens": 1500, "input_tokens": 1000, "output_tokens": 500}, "tokens     1,500 (1,000 in, 500 out)"),
        ({"total_tokens": 1500}, "tokens     1,500"),
        ({"input_tokens": 1000, "output_tokens": 0}, "tokens     1,000 in, 0 out"),
        ({}, None),
    ],
)
def test_tokens_are_shown_if_the_service_reports_them(
    figures: dict[str, int], line: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    show_summary(replace(DONE, **figures))  # type: ignore[arg-type]
    shown = [found for found in capsys.readouterr().out.splitlines() if found.startswith("tokens")]
    assert shown == ([] if line is None else [line])


def test_a_directory_that_looks_like_an_option_is_shown_as_a_path() -> None:
    assert next_command(replace(DONE, failed=1, exit_code=3, folder="-x-run")) == "batchrun retry ./-x-run"


def test_durations_by_a_clock_of_whole_seconds_are_not_shown_as_none(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(replace(DONE, run_s=Quantiles(9, 0.0, 2.0, 3.0), submit_s=Quantiles(9, 0.0, 0.012, 0.02)))
    shown = capsys.readouterr().out.splitlines()
    assert "run time   median < 1 s, p95 2 s, p99 3 s at the service" in shown
    assert "POST time  median < 1 ms, p95 12 ms, p99 20 ms until a submission was accepted" in shown
