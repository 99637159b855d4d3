"""The journal on a full disk."""

import asyncio
import resource
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.journal import (
    open_journal,
)
from batchrun.domain.counters import Counters
from batchrun.domain.events import RunCompleted
from batchrun.domain.row import decide
from batchrun.domain.states import State
from batchrun.errors import StorageError
from tests.contract.gated_checkpoint import Gated, seen, turns
from tests.contract.row_lives import NOW, commit, life_to
from tests.support.virtual import StillClock


@contextmanager
def small_files() -> Iterator[None]:
    """Limit the size of files, which looks like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def run_on_a_full_disk(tmp_path: Path, main: Coroutine[Any, Any, None]) -> None:
    with small_files(), pytest.raises(BaseExceptionGroup) as caught:
        asyncio.run(main)
    storage, rest = caught.value.split(StorageError)
    assert storage is not None
    assert rest is None
    assert tmp_path.exists()


def test_a_full_disk_fails_the_records_that_have_no_room_and_no_others(tmp_path: Path) -> None:
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

            async with asyncio.TaskGroup() as group:
                group.create_task(finish(1, "small"))
                await checkpoint.in_progress()
                for number in (2, 3):
                    group.create_task(finish(number, "x" * 1_000_000))
                group.create_task(finish(4, "small"))
                await turns()
                checkpoint.gate.set()

    with Gated(tmp_path / "checkpoint.db") as checkpoint, small_files():
        asyncio.run(main(checkpoint))
    assert sorted(fates) == ["1 recorded", "2 failed", "3 failed", "4 recorded"]
    assert seen(tmp_path) == {1: State.COMPLETED, 2: State.RUNNING, 3: State.RUNNING, 4: State.COMPLETED}


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
