"""The rows to submit, for any state of the checkpoint."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.adapters.row_source import TableSource
from batchrun.adapters.tables import Batch, Source, Table, open_table
from batchrun.domain.fingerprint import Inference
from batchrun.domain.row import Row
from batchrun.domain.states import Event, State
from batchrun.errors import StorageError
from batchrun.ports import Work
from tests.contract.row_lives import commit, concrete, life_to, opened, put
from tests.support.examples import examples


def csv_of(folder: Path, count: int) -> Path:
    path = folder / "in.csv"
    path.write_text("id,text,n\n" + "".join(f"{n:03d},text {n},{n % 7}\n" for n in range(count)))
    return path


def checkpoint_with(folder: Path, states: Mapping[int, State]) -> Checkpoint:
    checkpoint = opened(folder)
    for number, state in states.items():
        commit(checkpoint, *life_to(state, number))
    return checkpoint


@asynccontextmanager
async def source_of(
    folder: Path,
    count: int,
    *,
    total: int | None = None,
    columns: tuple[str, ...] = ("id",),
    running: frozenset[int] = frozenset(),
) -> AsyncIterator[TableSource]:
    table = open_table(Source(csv_of(folder, count)))
    source = TableSource(table, folder / "checkpoint.db", columns, count if total is None else total, running)
    try:
        yield source
    finally:
        source.close()


async def drained(source: TableSource) -> list[Work]:
    found = []
    while (work := await source.next()) is not None:
        found.append(work)
    return found


def test_a_new_job_brings_every_row_in_order_with_the_columns_that_were_asked_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with source_of(tmp_path, 3000, columns=("n", "id", "id")) as source:
            found = await drained(source)
            assert [work.row for work in found] == [Row(number) for number in range(3000)]
            assert [tuple(work.values) for work in found] == [
                (str(number % 7), f"{number:03d}", f"{number:03d}") for number in range(3000)
            ]
            assert await source.next() is None

    with opened(tmp_path):
        asyncio.run(main())


def test_without_columns_the_rows_come_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        async with source_of(tmp_path, 5, columns=()) as source:
            assert [tuple(work.values) for work in await drained(source)] == [()] * 5

    with opened(tmp_path):
        asyncio.run(main())


def test_an_empty_input_brings_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with source_of(tmp_path, 0) as source:
            assert await source.next() is None

    with opened(tmp_path):
        asyncio.run(main())


@settings(max_examples=examples(30))
@given(st.dictionaries(st.integers(0, 39), st.sampled_from(State), max_size=40), st.integers(0, 45))
def test_what_was_seen_comes_again_only_where_it_is_queued(
    tmp_path_factory: pytest.TempPathFactory, states: dict[int, State], total: int
) -> None:
    folder = tmp_path_factory.mktemp("source")

    async def main() -> None:
        async with source_of(folder, 40, total=min(total, 40)) as source:
            found = await drained(source)
        expected = [n for n in range(min(total, 40)) if states.get(n, State.QUEUED) is State.QUEUED]
        assert [work.row.row for work in found] == expected
        assert [tuple(work.values) for work in found] == [(f"{n:03d}",) for n in expected]
        recorded = {row.row: row for row in checkpoint.rows(State.QUEUED)}
        assert [work.row for work in found] == [recorded.get(n, Row(n)) for n in expected]

    with checkpoint_with(folder, states) as checkpoint:
        asyncio.run(main())


@settings(max_examples=examples(15))
@given(st.dictionaries(st.integers(0, 39), st.sampled_from(State), max_size=40), st.sets(st.integers(0, 39)))
def test_rows_that_timed_out_come_where_they_are_tried_again(
    tmp_path_factory: pytest.TempPathFactory, states: dict[int, State], again: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("again")

    async def main() -> None:
        table = open_table(Source(csv_of(folder, 40)))
        source = TableSource(table, folder / "checkpoint.db", ("id",), 40, again=lambda row: row.row in again)
        found = {work.row.row: work.row.state for work in await drained(source)}
        source.close()
        assert {number for number, state in found.items() if state is State.TIMED_OUT} == {
            number for number in again if states.get(number) is State.TIMED_OUT
        }
        assert set(found.values()) <= {State.QUEUED, State.TIMED_OUT}

    with checkpoint_with(folder, states):
        asyncio.run(main())


def test_a_far_row_that_was_seen_does_not_hide_those_before_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with source_of(tmp_path, 2500) as source:
            assert [work.row.row for work in await drained(source)] == [n for n in range(2500) if n != 2400]

    with checkpoint_with(tmp_path, {2400: State.RUNNING}):
        asyncio.run(main())


def test_what_the_engine_records_meanwhile_does_not_come_twice(tmp_path: Path) -> None:
    async def main() -> None:
        async with source_of(tmp_path, 2500) as source:
            numbers = []
            while (work := await source.next()) is not None:
                numbers.append(work.row.row)
                if work.row.row % 100 == 0:
                    commit(checkpoint, *life_to(State.RUNNING, work.row.row))
            assert numbers == list(range(2500))

    with opened(tmp_path) as checkpoint:
        asyncio.run(main())


@given(st.sets(st.integers(0, 2499), min_size=1, max_size=5))
@settings(max_examples=examples(10))
def test_a_row_that_is_recalled_comes_once_more_with_its_values_and_its_new_record(
    tmp_path_factory: pytest.TempPathFactory, numbers: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("recall")

    async def main() -> None:
        async with source_of(folder, 2500) as source:
            await drained(source)
            for _ in range(2):
                for number in numbers:
                    source.recall(Row(number, attempts=2))
                found = await drained(source)
                assert [work.row for work in found] == [Row(number, attempts=2) for number in sorted(numbers)]
                assert [tuple(work.values) for work in found] == [(f"{number:03d}",) for number in sorted(numbers)]

    with opened(folder):
        asyncio.run(main())


def test_a_row_that_is_recalled_early_comes_after_the_first_pass(tmp_path: Path) -> None:
    async def main() -> None:
        async with source_of(tmp_path, 10) as source:
            first = await source.next()
            assert first is not None
            source.recall(Row(0, attempts=1))
            rest = [work.row for work in await drained(source)]
            assert rest == [*(Row(number) for number in range(1, 10)), Row(0, attempts=1)]

    with opened(tmp_path):
        asyncio.run(main())


def test_a_run_that_was_watched_from_the_start_and_failed_comes_once(tmp_path: Path) -> None:
    """It is queued again before the first pass, which reads the checkpoint as it is then, comes to it."""

    async def main() -> None:
        async with source_of(tmp_path, 2500, running=frozenset({2000})) as source:
            assert await source.next() is not None
            queued = put(checkpoint, last(checkpoint, State.RUNNING), concrete(Event.RUN_FAILED))
            source.recall(queued)
            rest = [work.row.row for work in await drained(source)]
            assert rest == [*(number for number in range(1, 2500) if number != 2000), 2000]

    with checkpoint_with(tmp_path, {2000: State.RUNNING}) as checkpoint:
        asyncio.run(main())


def last(checkpoint: Checkpoint, state: State) -> Row:
    return list(checkpoint.rows(state))[-1]


def test_an_input_that_changes_under_the_job_is_a_matter_of_storage(tmp_path: Path) -> None:
    async def main() -> None:
        async with source_of(tmp_path, 5000) as source:
            work = await source.next()
            assert work is not None
            content = (tmp_path / "in.csv").read_bytes()
            (tmp_path / "in.csv").write_bytes(content.replace(b"9", b"8"))
            await drained(source)
            source.recall(work.row)
            with pytest.raises(StorageError, match="the input changed while it was in use"):
                await drained(source)

    with opened(tmp_path):
        asyncio.run(main())


def test_it_may_be_left_in_the_middle(tmp_path: Path) -> None:
    async def main() -> None:
        async with source_of(tmp_path, 5000) as source:
            assert await source.next() is not None

    with opened(tmp_path):
        asyncio.run(main())


class SlowTable:
    """A table whose reading blocks until it is released."""

    def __init__(self, table: Table) -> None:
        self.path, self.columns, self.schema = table.path, table.columns, table.schema
        self.unsendable, self.stamp, self.files = table.unsendable, table.stamp, table.files
        self.restore, self.needs_inference = table.restore, table.needs_inference
        self._table = table
        self.reading, self.go_on = threading.Event(), threading.Event()

    def with_inference(self, _inference: Inference) -> "SlowTable":
        return self

    def batches(self, start: int = 0) -> Iterator[Batch]:
        self.reading.set()
        assert self.go_on.wait(10)
        yield from self._table.batches(start)


def test_it_can_be_closed_while_a_thread_is_reading(tmp_path: Path) -> None:
    """The job may stop while a batch is being read."""

    async def main() -> None:
        table = SlowTable(open_table(Source(csv_of(tmp_path, 3))))
        source = TableSource(table, tmp_path / "checkpoint.db", ("id",), 3)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(source.next())
            await asyncio.to_thread(table.reading.wait, 10)
            source.close()
            table.go_on.set()
            assert await task is not None

    with opened(tmp_path):
        asyncio.run(main())
