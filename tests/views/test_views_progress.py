"""The progress views and the log of a running job, in virtual time."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest

from batchrun.views.console import Terminal
from batchrun.views.log_lines import set_up_event_log, set_up_logs
from batchrun.views.log_names import PROGRESS_LEVEL
from batchrun.views.progress import LogView
from batchrun.views.progress_events import AnyEvent, Event, Log, Progress, Start, Stopping
from batchrun.views.progress_line import LineView
from batchrun.views.progress_stream import EventStream, EventView, emit_progress_to
from tests.support.rehearsal import Rehearsal

STATES = ("completed", "failed", "timed_out", "in_doubt", "running", "queued")


def _collect_events(rehearsal: Rehearsal) -> list[Event]:
    events: list[Event] = []
    rehearsal.view = EventView(events.append, rehearsal.clock)
    return events


@contextmanager
def _restored_loggers() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, "batchrun", "batchrun.progress", "py.warnings")]
    saved = [(list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, (handlers, level, propagate) in zip(loggers, saved, strict=True):
            logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate


def test_events_start_with_the_earlier_counts_and_end_with_the_final_counts(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 100, "duration=7", "fault=fail:id=99")
    rehearsal.run(limit=40)
    events = _collect_events(rehearsal)
    summary = rehearsal.run()
    start, *progress = events
    assert isinstance(start, Start)
    assert (start.rows, start.completed, start.queued) == (100, 40, 60)
    assert (start.folder, start.job["workflow_id"]) == (str(tmp_path / "job"), "echo")
    assert all(isinstance(event, Progress) for event in progress)
    for event in events:
        assert isinstance(event, Start | Progress)
        assert sum(getattr(event, state) for state in STATES) == event.rows == 100
    steps = [later.at - earlier.at for earlier, later in pairwise(events[:-1])]
    assert {round(step.total_seconds(), 1) for step in steps} == {2.0}
    last = progress[-1]
    assert isinstance(last, Progress)
    assert [getattr(last, state) for state in STATES] == [getattr(summary, state) for state in STATES]
    assert (last.submissions, last.polls) == (summary.session.submissions, summary.session.polls)
    assert last.elapsed_s == pytest.approx(summary.session.elapsed_s, abs=0.5)
    assert (last.in_flight, last.eta_s) == (0, 0)


def test_a_limit_emits_one_stopping_event_with_the_reason(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "fail=1", "duration=1")
    events = _collect_events(rehearsal)
    summary = rehearsal.run(max_failures=3, rps=5)
    (stopping,) = [event for event in events if isinstance(event, Stopping)]
    assert (stopping.exit_code, stopping.collect) == (4, True)
    assert stopping.reason.startswith("--max-failures 3 was reached: 3 rows failed")
    assert summary.reason is not None
    assert summary.reason.startswith(f"--max-failures 3 was reached: {summary.failed} rows failed"), "also in the drain"
    assert isinstance(events[-1], Progress)


def test_a_more_important_reason_emits_a_second_stopping_event(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 100, "fail=1", "duration=1", "stuck=0.3")
    events = _collect_events(rehearsal)
    rehearsal.run(max_failures=5, max_runtime="30s", rps=5)
    assert [(event.exit_code, event.collect) for event in events if isinstance(event, Stopping)] == [
        (4, True),
        (4, False),  # max_runtime is reached too, so running runs are no longer polled
    ]


def test_a_listener_gets_progress_events_only(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=5")
    received: list[Progress] = []
    rehearsal.view = EventView(emit_progress_to(received.append), rehearsal.clock)
    rehearsal.run()
    assert len(received) > 2
    assert {type(event) for event in received} == {Progress}


def test_a_listener_that_raises_is_not_called_again_and_the_job_continues(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=5")
    calls: list[Progress] = []

    def listener(progress: Progress) -> None:
        calls.append(progress)
        raise RuntimeError("my own mistake")

    rehearsal.view = EventView(emit_progress_to(listener), rehearsal.clock)
    assert rehearsal.run().completed == 20
    assert len(calls) == 1
    assert "my own mistake" in caplog.text


def test_a_listener_that_raises_at_the_end_is_told_without_the_end_of_the_view(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal = Rehearsal(tmp_path, 1, "duration=0.5")

    def listener(_: Progress) -> None:
        raise RuntimeError("my own mistake")

    rehearsal.view = EventView(emit_progress_to(listener), rehearsal.clock)
    assert rehearsal.run(poll_initial=0.5).completed == 1
    assert "my own mistake" in caplog.text
    assert "CancelledError" not in caplog.text


def test_an_end_is_told_once_enough_rows_have_ended_and_is_about_right(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 400, "duration=30")
    events = _collect_events(rehearsal)
    elapsed = rehearsal.run(rps=4).session.elapsed_s
    told = [event for event in events if isinstance(event, Progress) and event.queued]
    assert all(event.eta_s is None for event in told if event.completed < 10)
    ends = [event.elapsed_s + event.eta_s for event in told if event.eta_s is not None]
    assert len(ends) > 10
    assert ends == pytest.approx([elapsed] * len(ends), rel=0.25)


def test_one_line_is_rewritten_about_once_a_second(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=5")
    file = io.StringIO()
    rehearsal.view = LineView(file)
    summary = rehearsal.run()
    first, *lines = file.getvalue().split("\r")
    assert first == ""
    assert file.getvalue().count("\n") == 1
    assert lines[-1].startswith("20 of 20 done")
    assert summary.session.elapsed_s <= len(lines) <= summary.session.elapsed_s + 3
    widths = [len(line.rstrip("\n")) for line in lines]
    assert widths == sorted(widths), "a shorter line would leave the end of a longer one on the screen"


class _BrokenPipe(io.StringIO):
    def __init__(self, null: IO[str]) -> None:
        super().__init__()
        self._null = null

    def write(self, _text: str) -> int:
        raise BrokenPipeError

    def fileno(self) -> int:
        return self._null.fileno()


def test_a_broken_pipe_does_no_harm(tmp_path: Path) -> None:
    with (tmp_path / "null").open("w") as null:
        broken_pipe = _BrokenPipe(null)
        for name in ("line", "events"):
            (tmp_path / name).mkdir()
            rehearsal = Rehearsal(tmp_path / name, 5)
            events = EventView(EventStream(broken_pipe).emit, rehearsal.clock)
            rehearsal.view = LineView(broken_pipe) if name == "line" else events
            assert rehearsal.run().exit_code == 0


def test_a_log_has_a_line_every_ten_seconds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(PROGRESS_LEVEL, "batchrun")
    rehearsal = Rehearsal(tmp_path, 20, "duration=35")
    rehearsal.view = LogView()
    elapsed = rehearsal.run(poll_max=5).session.elapsed_s
    lines = [record for record in caplog.records if record.levelno == PROGRESS_LEVEL]
    assert len(lines) == int(elapsed // 10)
    assert "of 20 done" in lines[0].getMessage()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            {"max_runtime": 3},
            "stopping: nothing more is sent; waiting for open requests",
        ),  # the summary says why, and follows at once
        ({"max_submissions": 5}, "{}: nothing more is submitted; waiting for running runs to end"),
    ],
)
def test_a_log_tells_why_a_job_stops_only_if_its_summary_is_far_off(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, options: dict[str, Any], line: str
) -> None:
    caplog.set_level(PROGRESS_LEVEL, "batchrun")
    rehearsal = Rehearsal(tmp_path, 20, "duration=35")
    rehearsal.view = LogView()
    reason = rehearsal.run(**options).reason
    assert line.format(reason) in [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("quiet", "verbose", "progress", "expected"),
    [
        (False, 0, False, {"progress", "warning", "error"}),
        (False, 1, False, {"info", "progress", "warning", "error"}),
        (True, 0, False, {"error"}),
        (True, 0, True, {"progress", "error"}),  # --progress log -q requests progress lines explicitly
    ],
)
def test_quiet_and_verbose_select_the_log_levels(quiet: bool, verbose: int, progress: bool, expected: set[str]) -> None:
    file = io.StringIO()
    with _restored_loggers():
        set_up_logs(Terminal(file=file, width=200), quiet=quiet, verbose=verbose, progress=progress)
        log = logging.getLogger("batchrun")
        log.info("info")
        log.warning("warning")
        log.error("error")
        logging.getLogger("batchrun.progress").log(PROGRESS_LEVEL, "progress")
    assert set(file.getvalue().split()) >= expected
    assert {word for word in file.getvalue().split() if word.isalpha()} == expected


def test_with_json_progress_every_log_line_is_an_event(recwarn: pytest.WarningsRecorder) -> None:
    file = io.StringIO()
    with _restored_loggers():
        set_up_event_log(EventStream(file).emit, quiet=False, verbose=0)
        logging.getLogger("batchrun").warning("two\nlines")
        logging.getLogger("aiohttp.server").error("a library's own")
        try:
            raise ValueError("inside")
        except ValueError:
            logging.getLogger("asyncio").exception("never retrieved")
    assert not recwarn
    events = [msgspec.json.decode(line, type=AnyEvent) for line in file.getvalue().splitlines()]
    assert [(event.level, event.message.splitlines()[0]) for event in events if isinstance(event, Log)] == [
        ("warning", "two"),
        ("error", "a library's own"),
        ("error", "never retrieved"),
    ]
    assert isinstance(events[2], Log)
    assert "ValueError: inside" in events[2].message
