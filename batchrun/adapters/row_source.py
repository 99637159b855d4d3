"""The rows to submit: those of the input that are not recorded in the checkpoint, or are queued again."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing, nullcontext, suppress
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.earlier_job import ReuseKeys
from batchrun.adapters.tables import Batch, Table
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.domain.sweep import PLAIN, Sweep
from batchrun.ports import Work


def _none(_row: Row) -> bool:
    return False


class TableSource:
    """`ports.RowSource` over a table and a checkpoint. Reads one batch at a time, in a thread.

    `total`: the number of rows of the job; the input is not read beyond them (`--limit`).
    `running`: rows whose runs are already tracked. They are returned only after `recall`, or they would come twice.
    `again`: whether to return a row that timed out in an earlier session.
    `sample`: the input rows to which the job is limited; None: all. `sweep`: where a row stands.
    `reuse_keys`: adds reuse keys in a job with `--key`, and the results of an earlier job.
    """

    def __init__(
        self,
        table: Table,
        checkpoint: Path,
        columns: tuple[str, ...],
        total: int,
        running: Collection[int] = (),
        *,
        again: Callable[[Row], bool] = _none,
        sample: Collection[int] | None = None,
        sweep: Sweep = PLAIN,
        reuse_keys: ReuseKeys | None = None,
    ) -> None:
        self._table = table
        self._checkpoint = checkpoint
        self._columns = columns
        self._total = total
        self._running = running
        self._again = again
        self._sample = sample
        self._sweep = sweep
        self._reuse_keys = reuse_keys
        self._ready: deque[Work] = deque()
        self._pass: Generator[list[Work], None, None] | None = self._first_pass()
        self._recalled: dict[int, Row] = {}
        self._closed = False

    async def next(self) -> Work | None:
        """The next row, or None if there is none now."""
        while not self._ready:
            if self._pass is None:
                if not self._recalled:
                    return None
                wanted, self._recalled = self._recalled, {}
                self._pass = self._second_pass(wanted)
            found = await asyncio.get_running_loop().run_in_executor(None, self._advance, self._pass)
            if found is None:
                self._pass = None
            else:
                self._ready.extend(found)
        return self._ready.popleft()

    is_open = False
    """All rows are in the input."""

    @property
    def exhausted(self) -> bool:
        """Whether all rows of the input have been returned."""
        return self._pass is None and not self._ready and not self._recalled

    def recall(self, row: Row) -> None:
        """Let `next` return this row again."""
        self._recalled[row.row] = row

    def close(self) -> None:
        """Close the open files. If a thread is still reading, it closes them when it is done."""
        self._closed = True
        if self._pass is not None:
            _close(self._pass)

    def _advance(self, reading: Generator[list[Work], None, None]) -> list[Work] | None:
        found = next(reading, None)
        if self._closed:
            _close(reading)
        return found

    def _first_pass(self) -> Generator[list[Work], None, None]:
        with connection.open_reader(self._checkpoint) as db:
            first, (_, high) = reader.touched_prefix(db), reader.touched(db)
            queued = next((row.row for row in reader.rows(db, State.QUEUED)), high)
            timed_out = next((row.row for row in reader.rows(db, State.TIMED_OUT) if self._again(row)), high)
            start = min(first, queued, timed_out)
            if start >= self._total:
                return
            with closing(self._reuse_keys) if self._reuse_keys else nullcontext():
                for batch in self._table.batches(start):
                    stop = batch.start + len(batch)
                    known = reader.between(db, batch.start, stop) if batch.start < high else {}
                    yield from self._work(batch, known)
                    if stop >= self._total:
                        return

    def _work(self, batch: Batch, known: dict[int, Row]) -> Iterator[list[Work]]:
        wanted = [
            row
            for number in range(batch.start, min(batch.start + len(batch), self._total))
            if number not in self._running
            and self._is_drawn(number)
            and self._wants(row := known.get(number) or Row(number))
        ]
        return self._pick(batch, wanted)

    def _is_drawn(self, row: int) -> bool:
        return self._sample is None or self._sweep.place(row).input_row in self._sample

    def _wants(self, row: Row) -> bool:
        return row.state is State.QUEUED or (row.state is State.TIMED_OUT and self._again(row))

    def _second_pass(self, wanted: dict[int, Row]) -> Generator[list[Work], None, None]:
        last = max(wanted)
        for batch in self._table.batches(min(wanted)):
            stop = batch.start + len(batch)
            yield from self._pick(batch, [wanted[number] for number in range(batch.start, stop) if number in wanted])
            if stop > last:
                return

    def _pick(self, batch: Batch, rows: list[Row]) -> Iterator[list[Work]]:
        if not rows:
            return
        values = batch.values(self._columns)
        picked = [Work(row, values[row.row - batch.start]) for row in rows]
        if self._reuse_keys is None:
            yield picked
        else:
            yield from self._reuse_keys.with_keys(picked, batch)


def _close(reading: Generator[list[Work], None, None]) -> None:
    with suppress(ValueError):  # running in the other thread, which will close it
        reading.close()
