"""The engine with a journal that drops everything: `python -m tests.benchmarks.engine_alone URL CSV [NAME=JSON ...]`.

What a worker costs more than this is the price of its driver. It prints the CPU seconds of the process as JSON.
"""

import asyncio
import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from batchrun.adapters.clock import WallClock
from batchrun.adapters.credentials.token import load_token
from batchrun.adapters.event_loop import run_in_loop
from batchrun.adapters.http.transport import open_transport
from batchrun.adapters.process import prepare_process
from batchrun.adapters.rate_limiter import Pacer
from batchrun.app.wiring import settings_of
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.counters import Counters
from batchrun.domain.events import RowEvent
from batchrun.domain.row import Row
from batchrun.domain.tally import Tally
from batchrun.engine.context import Ports
from batchrun.engine.engine import Engine
from batchrun.job import Job, build_job
from batchrun.ports import Work


class NoJournal:
    """Implements `ports.Journal`: everything is durable at once, and forgotten."""

    def __init__(self) -> None:
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._done.set_result(None)

    def record(self, _row: Row, _event: RowEvent, *, deferrable: bool = False) -> "asyncio.Future[None]":  # noqa: ARG002
        """See the port."""
        return self._done

    async def note(self, _row: Row, _event: RowEvent) -> None:
        """See the port."""

    async def room(self) -> None:
        """See the port."""

    async def record_upload(self, _digest: str, _reference: str) -> None:
        """See the port."""


class Rows:
    """Implements `ports.RowSource` and `ports.Lookup` over a CSV file."""

    is_open = False

    def __init__(self, rows: Iterator[Sequence[str]]) -> None:
        self._rows = enumerate(rows)
        self.exhausted = False

    async def next(self) -> Work | None:
        """See the port."""
        found = next(self._rows, None)
        if found is None:
            self.exhausted = True
            return None
        return Work(Row(found[0]), found[1])

    def recall(self, row: Row) -> None:
        """See the port; the service here refuses nothing."""
        raise NotImplementedError(row)

    def find(self, _row: int) -> Row | None:
        """See `Lookup`."""
        return None

    def completed(self) -> Row | None:
        """See `Lookup`."""
        return None

    def reference(self, _digest: str) -> tuple[str, int] | None:
        """See `Lookup`."""
        return None

    async def values(self, row: int) -> Sequence[object]:
        """See `Lookup`."""
        raise NotImplementedError(row)


async def work(job: Job, url: str, path: Path) -> int:
    """Send every row; returns how many completed."""
    clock, dialect = WallClock(), job.dialect
    with path.open(newline="") as file:
        rows = csv.reader(file)
        columns = next(rows)
        total = sum(1 for _ in path.open()) - 1
        source, tally = Rows(rows), Tally(total)
        async with open_transport(url, load_token(None, None, "token", dialect), clock) as transport:
            engine = Engine(
                settings_of(job, 1),
                dialect,
                ColumnMapping({column: column for column in columns}),
                Ports(
                    transport=transport,
                    source=source,
                    journal=NoJournal(),
                    lookup=source,
                    clock=clock,
                    submit_limiter=Pacer(job.rps),
                    poll_limiter=Pacer(job.poll_rps),
                ),
                tally=tally,
                counters=Counters(),
                on_stopping=lambda _stop: None,
            )
            await engine.run()
    return tally.ended


def main() -> None:
    """Work, and print what it has cost."""
    url, path, *options = sys.argv[1:]
    given = {name: json.loads(value) for name, _, value in (option.partition("=") for option in options)}
    job = build_job({"input": path, "workflow_id": "w", "rps": 1_000_000, "poll_rps": 1_000_000, **given})
    prepare_process()
    ended = run_in_loop(work(job, url, Path(path)))
    used = os.times()
    sys.stdout.write(json.dumps({"ended": ended, "cpu": used.user + used.system}) + "\n")


if __name__ == "__main__":
    main()
