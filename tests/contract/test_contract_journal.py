"""The journal over the real checkpoint: recorded entries are on disk, and a batch shares one sync."""

import asyncio
import resource
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.journal import (
    HEARTBEAT,
    MAX_DEFERRAL,
    MAX_HOLD,
    MAX_PENDING,
    MAX_PENDING_CHARACTERS,
    GroupCommit,
    open_journal,
)
from batchrun.adapters.checkpoint.writer import Checkpoint, Entry
from batchrun.domain.counters import Counters
from batchrun.domain.events import Accepted, Reused, RunCompleted, StillRunning, SubmitStarted
from batchrun.domain.row import Row, decide
from batchrun.domain.states import Event, State
from batchrun.errors import BugError, StorageError
from batchrun.ports import DuplicateRunError
from tests.contract.row_lives import NOW, commit, concrete, life_to
from tests.support.virtual import run_virtual


class StillClock:
    """A wall clock that stands still."""

    def now(self) -> int:
        return NOW


class Gated(Checkpoint):
    """Counts its commits, and blocks them until `gate` is set."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.begin_session(NOW, "1")
        self.commits: list[int] = []
        self.order: list[int] = []
        self.begun = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def commit(self, entries: Sequence[Entry], counters: Counters, at: int, elapsed_s: float) -> list[Exception | None]:
        self.begun.release()
        assert self.gate.wait(10)
        self.commits.append(len(entries))
        self.order += [entry.row.row for entry in entries]
        return super().commit(entries, counters, at, elapsed_s)

    async def in_progress(self) -> None:
        """Wait until a commit has begun."""
        assert await asyncio.to_thread(self.begun.acquire, timeout=10)


def seen(folder: Path) -> dict[int, State]:
    """The rows as another connection sees them."""
    with connection.open_reader(folder / "checkpoint.db") as db:
        return {row.row: row.state for row in reader.rows(db, *State)}


async def record_life(journal: GroupCommit, state: State, number: int, run_id: str | None = None) -> None:
    for entry in life_to(state, number, run_id):
        await journal.record(entry.row, entry.event)


async def turns(count: int = 5) -> None:
    """Let everything that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_what_is_recorded_is_seen_by_another_connection_at_once(tmp_path: Path) -> None:
    async def main(checkpoint: Checkpoint) -> None:
        async with open_journal(checkpoint, Counters(), StillClock()) as journal:
            row = Row(1)
            for event in (SubmitStarted(NOW), Accepted("r", "pending", NOW, NOW), RunCompleted("completed", "1", NOW)):
                row = decide(row, event)
                await journal.record(row, event)
                assert seen(tmp_path) == {1: row.state}

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        asyncio.run(main(checkpoint))


def polls(folder: Path) -> dict[int, int]:
    """How often each row was polled, as another connection sees it."""
    with connection.open_reader(folder / "checkpoint.db") as db:
        return {row.row: row.polls for row in reader.rows(db, *State)}


def test_the_word_that_a_run_has_not_ended_is_written_later_and_only_if_nothing_better_is_known(tmp_path: Path) -> None:
    async def main(checkpoint: Gated) -> None:
        running = {number: life_to(State.RUNNING, number)[-1].row for number in (1, 2)}
        async with open_journal(checkpoint, Counters(), StillClock()) as journal:
            for number, row in running.items():
                await record_life(journal, State.RUNNING, number)
                running[number] = decide(row, StillRunning("running"))
                await journal.note(running[number], StillRunning("running"))
            end = RunCompleted("completed", "1", NOW)
            await journal.record(decide(running[1], end), end)
            assert polls(tmp_path) == {1: 2, 2: 0}
            await asyncio.sleep(HEARTBEAT + MAX_HOLD)
            assert polls(tmp_path) == {1: 2, 2: 1}
            await journal.note(decide(running[2], StillRunning("running")), StillRunning("running"))
        assert polls(tmp_path) == {1: 2, 2: 2}, "what is held is written at the end"
        assert sum(checkpoint.commits) == 2 * 2 + 1 + 2

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        run_virtual(main(checkpoint))


def test_the_patient_wait_a_moment_and_share_a_commit_in_the_order_of_their_rows(tmp_path: Path) -> None:
    async def main(checkpoint: Gated) -> None:
        loop, taken = asyncio.get_running_loop(), list[float]()
        async with asyncio.TaskGroup() as at_last, open_journal(checkpoint, Counters(), StillClock()) as journal:
            for number in range(4):
                await record_life(journal, State.RUNNING, number)
            before = len(checkpoint.commits)

            async def end(number: int) -> None:
                began, event = loop.time(), RunCompleted("completed", "1", NOW)
                row = decide(life_to(State.RUNNING, number)[-1].row, event)
                await journal.record(row, event, deferrable=True)
                taken.append(loop.time() - began)

            async with asyncio.TaskGroup() as group:
                for number in (2, 0, 1):
                    group.create_task(end(number))
                    await asyncio.sleep(MAX_DEFERRAL / 5)
                await record_life(journal, State.SUBMITTING, 9)
                assert seen(tmp_path)[2] is State.RUNNING, "others do not take them along"
            assert checkpoint.commits[before:] == [1, 3]
            assert checkpoint.order[-3:] == [0, 1, 2]
            assert all(0.5 * MAX_DEFERRAL < wait < 1.5 * MAX_DEFERRAL for wait in taken)
            at_last.create_task(end(3))
            await turns()
        assert taken[-1] < 0.5 * MAX_DEFERRAL, "at the end nothing waits"

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        run_virtual(main(checkpoint))


def test_nothing_is_acknowledged_before_its_commit_has_returned(tmp_path: Path) -> None:
    async def main(checkpoint: Gated) -> None:
        checkpoint.gate.clear()
        async with open_journal(checkpoint, Counters(), StillClock()) as journal:
            (entry,) = life_to(State.SUBMITTING, 1)
            recorded = journal.record(entry.row, entry.event)
            await checkpoint.in_progress()
            await turns()
            assert not recorded.done()
            assert seen(tmp_path) == {}
            checkpoint.gate.set()
            await recorded
            assert seen(tmp_path) == {1: State.SUBMITTING}

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        asyncio.run(main(checkpoint))


def test_what_gathers_during_a_commit_goes_into_the_next_one_together(tmp_path: Path) -> None:
    async def main(checkpoint: Gated) -> None:
        checkpoint.gate.clear()
        async with open_journal(checkpoint, Counters(), StillClock()) as journal, asyncio.TaskGroup() as group:
            group.create_task(record_life(journal, State.SUBMITTING, 0))
            await checkpoint.in_progress()
            for number in range(1, 101):
                group.create_task(record_life(journal, State.SUBMITTING, number))
            await turns()
            checkpoint.gate.set()
        assert checkpoint.commits[:2] == [1, 100]

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        asyncio.run(main(checkpoint))
        assert len(list(checkpoint.rows(State.SUBMITTING))) == 101


def test_a_poisonous_record_fails_alone(tmp_path: Path) -> None:
    async def main(checkpoint: Gated) -> None:
        async with open_journal(checkpoint, Counters(), StillClock()) as journal:
            await record_life(journal, State.RUNNING, 1, "taken")
            await record_life(journal, State.COMPLETED, 3)
            checkpoint.gate.clear()
            async with asyncio.TaskGroup() as group:
                first = group.create_task(record_life(journal, State.SUBMITTING, 0))
                await checkpoint.in_progress()
                while checkpoint.begun.acquire(blocking=False):
                    pass

                async def poison(number: int, row: Row, event: Event) -> Exception | None:
                    try:
                        await journal.record(row, concrete(event, "taken"))
                    except (DuplicateRunError, BugError) as error:
                        return error
                    pytest.fail(f"row {number} was recorded")

                good = [group.create_task(record_life(journal, State.SUBMITTING, n)) for n in (10, 11)]
                twice = group.create_task(
                    poison(2, Row(2, State.SUBMITTING, attempts=1, intent_at=1, run_id="taken"), Event.SUBMIT_STARTED)
                )
                illegal = group.create_task(poison(3, Row(3, State.QUEUED), Event.REFUNDED))
                good += [group.create_task(record_life(journal, State.SUBMITTING, n)) for n in (12, 13)]
                await turns()
                checkpoint.gate.set()
            assert isinstance(twice.result(), DuplicateRunError)
            assert isinstance(illegal.result(), BugError)
            assert all(task.exception() is None for task in [first, *good])
            await record_life(journal, State.SUBMITTING, 14)

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        asyncio.run(main(checkpoint))
    submitting = dict.fromkeys((0, 10, 11, 12, 13, 14), State.SUBMITTING)
    assert seen(tmp_path) == {1: State.RUNNING, 3: State.COMPLETED} | submitting


def test_notes_are_on_disk_when_the_journal_is_closed(tmp_path: Path) -> None:
    async def main(checkpoint: Checkpoint) -> None:
        async with open_journal(checkpoint, Counters(), StillClock()) as journal:
            for number in range(300):
                for entry in life_to(State.RUNNING, number):
                    await journal.note(entry.row, entry.event)

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        asyncio.run(main(checkpoint))
    assert seen(tmp_path) == dict.fromkeys(range(300), State.RUNNING)


def test_a_note_waits_while_too_much_is_queued_and_only_then(tmp_path: Path) -> None:
    async def main(checkpoint: Gated) -> None:
        checkpoint.gate.clear()
        async with open_journal(checkpoint, Counters(), StillClock()) as journal, asyncio.TaskGroup() as group:
            group.create_task(record_life(journal, State.SUBMITTING, 0))
            await checkpoint.in_progress()
            event = SubmitStarted(NOW)
            for number in range(1, MAX_PENDING + 1):
                await journal.note(decide(Row(number), event), event)
            one_more = group.create_task(journal.note(decide(Row(MAX_PENDING + 1), event), event))
            await turns()
            assert not one_more.done()
            checkpoint.gate.set()
            await one_more

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        asyncio.run(main(checkpoint))
    assert len(seen(tmp_path)) == MAX_PENDING + 2


def test_large_outputs_make_the_recorder_wait_sooner(tmp_path: Path) -> None:
    async def main(checkpoint: Gated) -> None:
        checkpoint.gate.clear()
        async with open_journal(checkpoint, Counters(), StillClock()) as journal, asyncio.TaskGroup() as group:
            group.create_task(record_life(journal, State.SUBMITTING, 0))
            await checkpoint.in_progress()
            output = "x" * (MAX_PENDING_CHARACTERS // 2)
            events = [Reused(f"run-{number}", None, output, "/jobs/last", b"m" * 16) for number in range(4)]
            for number in (1, 2):
                await journal.note(decide(Row(number), events[number]), events[number])
            one_more = group.create_task(journal.note(decide(Row(3), events[3]), events[3]))
            await turns()
            assert not one_more.done()
            checkpoint.gate.set()
            await one_more

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        asyncio.run(main(checkpoint))
    assert seen(tmp_path)[3] is State.COMPLETED


def test_where_much_waits_to_be_written_there_is_no_room_until_it_is(tmp_path: Path) -> None:
    async def main(checkpoint: Gated) -> None:
        output = "x" * (MAX_PENDING_CHARACTERS // 2)
        async with open_journal(checkpoint, Counters(), StillClock()) as journal, asyncio.TaskGroup() as group:
            for number in (1, 2):
                await record_life(journal, State.RUNNING, number)
            while checkpoint.begun.acquire(blocking=False):
                pass
            checkpoint.gate.clear()
            group.create_task(record_life(journal, State.SUBMITTING, 3))
            await checkpoint.in_progress()
            for number in (1, 2):
                event = RunCompleted("completed", output, NOW)
                row = decide(life_to(State.RUNNING, number)[-1].row, event)
                journal.record(row, event, deferrable=True)
                await turns()
            room = group.create_task(journal.room())
            await turns()
            assert not room.done()
            checkpoint.gate.set()
            await room
        assert seen(tmp_path) == {1: State.COMPLETED, 2: State.COMPLETED, 3: State.SUBMITTING}

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        asyncio.run(main(checkpoint))


def test_what_was_given_up_waiting_is_on_disk_all_the_same(tmp_path: Path) -> None:
    async def main(checkpoint: Gated) -> None:
        checkpoint.gate.clear()
        async with open_journal(checkpoint, Counters(), StillClock()) as journal, asyncio.TaskGroup() as group:
            given_up = group.create_task(record_life(journal, State.SUBMITTING, 1))
            waiting = group.create_task(record_life(journal, State.SUBMITTING, 2))
            await checkpoint.in_progress()
            given_up.cancel()
            await turns()
            assert given_up.cancelled()
            checkpoint.gate.set()
            await waiting

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        asyncio.run(main(checkpoint))
    assert seen(tmp_path) == {1: State.SUBMITTING, 2: State.SUBMITTING}


def test_the_counters_are_written_with_the_rows_and_again_at_the_end(tmp_path: Path) -> None:
    counters = Counters()

    def sent() -> tuple[int, int, int]:
        with connection.open_reader(tmp_path / "checkpoint.db") as db:
            (session,) = reader.sessions(db)
            return session.submissions, session.polls, session.throttled

    async def main(checkpoint: Checkpoint) -> None:
        async with open_journal(checkpoint, counters, StillClock()) as journal:
            counters.submissions = 1
            await record_life(journal, State.SUBMITTING, 1)
            assert sent() == (1, 0, 0)
            counters.polls, counters.throttled = 7, 2

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        asyncio.run(main(checkpoint))
    assert sent() == (1, 7, 2)


def test_the_counters_are_written_now_and_then_though_no_row_changes(tmp_path: Path) -> None:
    async def main(checkpoint: Gated) -> None:
        async with open_journal(checkpoint, Counters(), StillClock()) as journal:
            await asyncio.sleep(10 * HEARTBEAT + 1)
            assert journal.elapsed_s == pytest.approx(10 * HEARTBEAT + 1)
            assert checkpoint.commits == [0] * 10

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        run_virtual(main(checkpoint))


def run_on_a_full_disk(tmp_path: Path, main: Coroutine[Any, Any, None]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
    try:
        with pytest.raises(BaseExceptionGroup) as caught:
            asyncio.run(main)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    storage, rest = caught.value.split(StorageError)
    assert storage is not None
    assert rest is None
    assert tmp_path.exists()


def test_a_full_disk_reaches_all_who_wait_and_nothing_more_is_recorded(tmp_path: Path) -> None:
    fates: list[str] = []

    async def main(checkpoint: Gated) -> None:
        async with open_journal(checkpoint, Counters(), StillClock()) as journal:
            checkpoint.gate.clear()

            async def finish(number: int, output: str) -> None:
                *before, last = life_to(State.COMPLETED, number)
                try:
                    for entry in before:
                        await journal.note(entry.row, entry.event)
                    await journal.record(last.row, RunCompleted("completed", output, NOW))
                    fates.append(f"{number} recorded")
                except StorageError as error:
                    assert "cannot be written" in str(error)
                    fates.append(f"{number} failed")
                    with pytest.raises(StorageError):
                        await journal.record(last.row, last.event)
                    with pytest.raises(StorageError):
                        await journal.note(last.row, last.event)

            async with asyncio.TaskGroup() as group:
                group.create_task(finish(1, "small"))
                await checkpoint.in_progress()
                for number in (2, 3):
                    group.create_task(finish(number, "x" * 1_000_000))
                await turns()
                checkpoint.gate.set()

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        run_on_a_full_disk(tmp_path, main(checkpoint))
    assert sorted(fates) == ["1 recorded", "2 failed", "3 failed"]
    assert seen(tmp_path) == {1: State.COMPLETED}


def test_the_next_command_goes_on_where_the_disk_was_full(tmp_path: Path) -> None:
    async def main(checkpoint: Gated) -> None:
        async with open_journal(checkpoint, Counters(), StillClock()) as journal:
            *before, last = life_to(State.COMPLETED, 1)
            for entry in before:
                await journal.record(entry.row, entry.event)
            await journal.record(last.row, RunCompleted("completed", "x" * 1_000_000, NOW))

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        run_on_a_full_disk(tmp_path, main(checkpoint))
    assert seen(tmp_path) == {1: State.RUNNING}
    with Gated(tmp_path / "checkpoint.db") as again:
        (row,) = again.rows(State.RUNNING)
        event = RunCompleted("completed", "x" * 1_000_000, NOW)
        assert commit(again, Entry(decide(row, event), event)) == [None]
