"""The journal over the real checkpoint: recorded entries are on disk, and a batch shares one sync."""

import asyncio
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.journal import (
    MAX_DEFERRAL,
    MAX_HOLD,
    GroupCommit,
    open_journal,
)
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.counters import Counters
from batchrun.domain.events import Accepted, RunCompleted, StillRunning, SubmitStarted
from batchrun.domain.row import Row, decide
from batchrun.domain.states import Event, State
from batchrun.domain.time_series import HEARTBEAT
from batchrun.errors import BugError
from batchrun.ports import DuplicateRunError
from tests.contract.gated_checkpoint import Gated, record_life, seen, turns
from tests.contract.row_lives import NOW, concrete, life_to
from tests.support.virtual import StillClock, run_virtual


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


def test_the_patient_wait_a_moment_and_share_a_commit(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread"), KeyError("a bug")])
def test_nobody_waits_for_a_journal_that_failed(tmp_path: Path, error: Exception) -> None:
    told: list[Exception] = []

    async def record(journal: GroupCommit, number: int) -> None:
        """Records the end as well, as a submission does whose task is cancelled while it waits."""
        try:
            await record_life(journal, State.SUBMITTING, number)
        except Exception as raised:  # noqa: BLE001 - whatever it is
            told.append(raised)
        finally:
            with pytest.raises(type(error)):
                await record_life(journal, State.SUBMITTING, number)

    async def main(checkpoint: Gated) -> None:
        checkpoint.gate.clear()
        async with open_journal(checkpoint, Counters(), StillClock()) as journal, asyncio.TaskGroup() as group:
            group.create_task(record(journal, 0))
            await checkpoint.in_progress()
            late = [group.create_task(record(journal, number)) for number in (1, 2)]
            await turns()
            checkpoint.failure = error
            late[1].cancel()
            checkpoint.gate.set()

    with Gated(tmp_path / "checkpoint.db") as checkpoint:
        with pytest.raises(ExceptionGroup) as raised:
            asyncio.run(main(checkpoint))
        assert raised.value.exceptions == (error,)
    assert told == [error] * 2
    assert not seen(tmp_path)
