"""How much waits to be written, who waits for that, and when counters are written."""

import asyncio
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint import connection, session_reader
from batchrun.adapters.checkpoint.journal import (
    MAX_PENDING,
    MAX_PENDING_CHARACTERS,
    open_journal,
)
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.counters import Counters
from batchrun.domain.events import Reused, RunCompleted, SubmitStarted
from batchrun.domain.row import Row, decide
from batchrun.domain.states import State
from batchrun.domain.time_series import HEARTBEAT
from tests.contract.gated_checkpoint import Gated, record_life, seen, turns
from tests.contract.row_lives import NOW, life_to
from tests.support.virtual import StillClock, run_virtual


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
            (session,) = session_reader.sessions(db)
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
