"""How a job shows itself while it runs, in virtual time."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO

import msgspec
import pytest

from batchrun.views.console import Terminal
from batchrun.views.log_lines import set_up_event_log, set_up_logs
from batchrun.views.progress import PROGRESS, LogView
from batchrun.views.progress_events import AnyRecord, Event, Log, Progress, Start, Stopping
from batchrun.views.progress_line import LineView
from batchrun.views.progress_stream import EventStream, EventView, progress_for
from tests.support.rehearsal import Rehearsal

STATES = ("completed", "failed", "timed_out", "in_doubt", "running", "queued")


def _told(rehearsal: Rehearsal) -> list[Event]:
    told: list[Event] = []
    rehearsal.view = EventView(told.append, rehearsal.clock)
    return told


@contextmanager
def _logs_as_they_were() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, "batchrun", "batchrun.progress", "py.warnings")]
    before = [(list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate


def test_the_records_begin_with_what_was_done_and_end_with_the_last_counts(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 100, "duration=7", "fault=fail:id=99")
    rehearsal.run(limit=40)
    told = _told(rehearsal)
    summary = rehearsal.run()
    start, *progress = told
    assert isinstance(start, Start)
    assert (start.rows, start.completed, start.queued) == (100, 40, 60)
    assert (start.folder, start.job["workflow_id"]) == (str(tmp_path / "job"), "echo")
    assert all(isinstance(record, Progress) for record in progress)
    for record in told:
        assert isinstance(record, Start | Progress)
        assert sum(getattr(record, state) for state in STATES) == record.rows == 100
    steps = [later.at - earlier.at for earlier, later in pairwise(told[:-1])]
    assert {round(step.total_seconds(), 1) for step in steps} == {2.0}
    last = progress[-1]
    assert isinstance(last, Progress)
    assert [getattr(last, state) for state in STATES] == [getattr(summary, state) for state in STATES]
    assert (last.submissions, last.polls) == (summary.session.submissions, summary.session.polls)
    assert last.elapsed_s == pytest.approx(summary.session.elapsed_s, abs=0.5)
    assert (last.in_flight, last.eta_s) == (0, 0)


def test_a_limit_tells_once_why_the_job_stops(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "fail=1", "duration=1")
    told = _told(rehearsal)
    summary = rehearsal.run(max_failures=3, rps=5)
    (stopping,) = [record for record in told if isinstance(record, Stopping)]
    assert (stopping.exit_code, stopping.collect) == (4, True)
    assert stopping.reason == summary.reason
    assert isinstance(told[-1], Progress)


def test_a_weightier_reason_is_told_as_well(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 100, "fail=1", "duration=1", "stuck=0.3")
    told = _told(rehearsal)
    rehearsal.run(max_failures=5, max_runtime="30s", rps=5)
    assert [(record.exit_code, record.collect) for record in told if isinstance(record, Stopping)] == [
        (4, True),
        (4, False),  # the time is over too: no more waiting for the runs under way
    ]


def test_a_listener_hears_the_progress_alone(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=5")
    heard: list[Progress] = []
    rehearsal.view = EventView(progress_for(heard.append), rehearsal.clock)
    rehearsal.run()
    assert len(heard) > 2
    assert {type(record) for record in heard} == {Progress}


def test_a_listener_that_raises_is_told_no_more_and_the_job_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=5")
    calls: list[Progress] = []

    def listener(progress: Progress) -> None:
        calls.append(progress)
        raise RuntimeError("my own mistake")

    rehearsal.view = EventView(progress_for(listener), rehearsal.clock)
    assert rehearsal.run().completed == 20
    assert len(calls) == 1
    assert "my own mistake" in caplog.text


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
    assert widths == sorted(widths), "a shorter line would leave the end of a longer one behind"


class _Gone(io.StringIO):
    def __init__(self, null: IO[str]) -> None:
        super().__init__()
        self._null = null

    def write(self, _text: str) -> int:
        raise BrokenPipeError

    def fileno(self) -> int:
        return self._null.fileno()


def test_a_reader_that_goes_away_does_no_harm(tmp_path: Path) -> None:
    with (tmp_path / "null").open("w") as null:
        gone = _Gone(null)
        for name in ("line", "records"):
            (tmp_path / name).mkdir()
            rehearsal = Rehearsal(tmp_path / name, 5)
            rehearsal.view = LineView(gone) if name == "line" else EventView(EventStream(gone).tell, rehearsal.clock)
            assert rehearsal.run().exit_code == 0


def test_a_log_has_a_line_every_ten_seconds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(PROGRESS, "batchrun")
    rehearsal = Rehearsal(tmp_path, 20, "duration=35")
    rehearsal.view = LogView()
    elapsed = rehearsal.run(poll_max=5).session.elapsed_s
    lines = [record for record in caplog.records if record.levelno == PROGRESS]
    assert len(lines) == int(elapsed // 10)
    assert "of 20 done" in lines[0].getMessage()


@pytest.mark.parametrize(
    ("quiet", "verbose", "asked", "shown"),
    [
        (False, 0, False, {"progress", "warning", "error"}),
        (False, 1, False, {"info", "progress", "warning", "error"}),
        (True, 0, False, {"error"}),
        (True, 0, True, {"progress", "error"}),  # --progress log -q: what was asked for expressly is shown
    ],
)
def test_less_and_more_log(quiet: bool, verbose: int, asked: bool, shown: set[str]) -> None:
    file = io.StringIO()
    with _logs_as_they_were():
        set_up_logs(Terminal(file=file, width=200), quiet=quiet, verbose=verbose, progress=asked)
        log = logging.getLogger("batchrun")
        log.info("info")
        log.warning("warning")
        log.error("error")
        logging.getLogger("batchrun.progress").log(PROGRESS, "progress")
    assert set(file.getvalue().split()) >= shown
    assert {word for word in file.getvalue().split() if word.isalpha()} == shown


def test_in_records_every_line_is_one(recwarn: pytest.WarningsRecorder) -> None:
    file = io.StringIO()
    with _logs_as_they_were():
        set_up_event_log(EventStream(file).tell, quiet=False, verbose=0)
        logging.getLogger("batchrun").warning("two\nlines")
        logging.getLogger("aiohttp.server").error("a library's own")
        try:
            raise ValueError("inside")
        except ValueError:
            logging.getLogger("asyncio").exception("never retrieved")
    assert not recwarn
    records = [msgspec.json.decode(line, type=AnyRecord) for line in file.getvalue().splitlines()]
    assert [(record.level, record.message.splitlines()[0]) for record in records if isinstance(record, Log)] == [
        ("warning", "two"),
        ("error", "a library's own"),
        ("error", "never retrieved"),
    ]
    assert isinstance(records[2], Log)
    assert "ValueError: inside" in records[2].message
