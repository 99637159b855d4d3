"""A worker that sends nothing and answers at once: `python -m tests.benchmarks.instant_worker ARGUMENT ...`.

The arguments are those of batchrun. What such a job does in a second is what one driver can do.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator

import batchrun.cluster.ray_workers
from batchrun.adapters.checkpoint.parts import Parts, parts_of
from batchrun.cli.entry import main
from batchrun.cluster.messages import ClassFigures, Kind, Report, encoded, orders_of, unpack
from batchrun.cluster.worker import GATHER_PER_CHANGE, GATHERED, MAX_GATHER
from batchrun.cluster.worker_process import Hello, Start, hello
from batchrun.domain.counters import Counters
from batchrun.domain.events import RunCompleted, SubmitStarted
from batchrun.domain.row import Row, decide
from batchrun.engine.settings import EngineResult
from batchrun.ports import Work

ROOM = 2_000
"""Rows that may wait for it."""

SENT, ENDED = 1_760_000_000_000, 1_760_000_000_200
"""Times, in milliseconds since 1970."""


class InstantWorker:
    """The calls of a worker; see `WorkerProcess`. Every row completes as soon as its intent is on disk."""

    def __init__(self) -> None:
        os.nice(15)  # the driver is measured: it comes first
        self._nudged = threading.Event()
        self._number = self._open = self._sent = self._last_records = 0
        self._begun: dict[int, list[Row]] = {}
        """The rows whose intents are in the report of that number."""
        self._ended: dict[int, int] = {}
        """How many results are in the report of that number."""

    def hello(self) -> Hello:
        """Who this is."""
        return hello()

    def run(self, _start: Start) -> None:
        """There is nothing to do."""

    def nudge(self) -> None:
        """There are orders: answer the present ones at once."""
        self._nudged.set()

    def exchange(self, message: bytes) -> bytes:
        """See `Worker.exchange`."""
        orders = orders_of(message)
        durable = [found.number for found in orders.committed if found.kind == Kind.DURABLE]
        ended = [row for number in durable for row in self._begun.pop(number)]
        self._open -= sum(self._ended.pop(found.number) for found in orders.committed if found.kind == Kind.DEFERRABLE)
        self._open += len(orders.rows)
        self._sent += len(ended)
        if not orders.rows and not ended and self._open:
            self._nudged.wait(orders.patience)
        self._nudged.clear()
        if self._last_records >= GATHERED:
            gathering = min(MAX_GATHER, GATHER_PER_CHANGE * self._last_records)
            time.sleep(gathering)  # noqa: TID251 - a call of Ray has a thread of its own
        self._number += 1
        self._ended[self._number] = len(ended)
        records = [*results(ended), *self._intents(map(unpack, orders.rows))]
        self._last_records = len(records)
        sent = ClassFigures(sent=self._sent, sent_ages=[0.01] * len(ended))
        report = Report(
            self._number, orders.number, records, counters=Counters(submissions=self._sent), room=ROOM,
            is_open=True, is_idle=not self._open, figures=[sent, ClassFigures()],
        )  # fmt: skip
        report.ended = None if orders.is_open else EngineResult(finished=True, stop=None)
        return encoded(report)

    def _intents(self, rows: Iterable[Work]) -> Iterator[tuple[Parts, int]]:
        begun = self._begun[self._number] = list[Row]()
        for work in rows:
            event = SubmitStarted(SENT, work.reuse_key)
            begun.append(decide(work.row, event))
            yield parts_of(begun[-1], event), Kind.DURABLE.value


def results(rows: Iterable[Row]) -> Iterator[tuple[Parts, int]]:
    """Each row has completed."""
    for row in rows:
        run_id = str(7_400_000_000_000_000_000 + row.row * 7919 % 1_000_003 * 1_000_003)
        event = RunCompleted("Success", '{"data": "the text that came back"}', ENDED, run_id=run_id, submitted_at=SENT)
        yield parts_of(decide(row, event), event), Kind.DEFERRABLE.value


if __name__ == "__main__":
    batchrun.cluster.ray_workers.WorkerProcess = InstantWorker  # type: ignore[attr-defined, assignment]
    main()
