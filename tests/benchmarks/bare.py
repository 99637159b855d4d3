"""The bar: the least that a script with a session of aiohttp can do: `python -m …bare URL CSV sync|async …`.

uvloop, one session, 100 workers, bodies and answers by msgspec, little to do for the garbage collector; it paces
nothing, saves nothing, and takes no answer amiss. With uvloop no answer costs a receive buffer of 256 KiB, which the
standard loop's plaintext transport maps and unmaps each time.
"""

import asyncio
import csv
import gc
import heapq
import json
import math
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec
from yarl import URL

from tests.benchmarks.standin import fast_loop

WORKERS = 100
HEADERS = {"Authorization": "Bearer token", "Content-Type": "application/json"}


class Answer(msgspec.Struct):
    """What a script takes from an answer."""

    run_id: str
    status: str
    output: msgspec.Raw = msgspec.Raw()
    outputs: msgspec.Raw = msgspec.Raw()


decode = msgspec.json.Decoder(Answer).decode
encode = msgspec.json.Encoder().encode


class Script:
    """The rows, the session, and what has come back."""

    def __init__(self, session: aiohttp.ClientSession, url: str, rows: Iterator[dict[str, str]]) -> None:
        self._session = session
        self._url = url
        self._rows = rows
        self._run = URL(url + "/v1/workflow/run")
        self.completed = 0
        self.bytes = 0

    async def _submit(self, row: dict[str, str], is_async: bool) -> Answer:
        body = encode({"workflow_id": "w", "inputs": row, "async": is_async})
        async with self._session.post(self._run, data=body, headers=HEADERS) as said:
            return decode(await said.read())

    def _end(self, answer: Answer) -> None:
        if answer.status == "completed":
            self.completed += 1
            self.bytes += len(bytes(answer.output)) + len(bytes(answer.outputs))

    async def sync(self) -> None:
        """One worker: a row at a time."""
        for row in self._rows:
            self._end(await self._submit(row, False))


class Polling(Script):
    """Runs that are polled: a heap of what is due, and workers that do what comes first.

    `polls`: of a run, on average; they are spread over `seconds`, and the last one finds the end.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, rows: Iterator[dict[str, str]], polls: float, seconds: float
    ) -> None:
        super().__init__(session, url, rows)
        self._polls = polls
        self._seconds = seconds
        self._owed = 0.0
        self._heap: list[tuple[float, str, int, float]] = []
        self._open = 0
        self._loop = asyncio.get_running_loop()
        self._resting = deque[asyncio.Future[None]]()
        self._timer: asyncio.TimerHandle | None = None

    async def work(self) -> None:
        """One worker, until everything has ended."""
        heap, loop = self._heap, self._loop
        while True:
            if heap and heap[0][0] <= loop.time():
                due = heapq.heappop(heap)
                self._arm()
                await self._poll(*due)
            elif (row := next(self._rows, None)) is not None:
                self._open += 1
                answer = await self._submit(row, True)
                self._owed += self._polls
                count = max(1, math.floor(self._owed))
                self._owed -= count
                wait = self._seconds / count
                heapq.heappush(heap, (loop.time() + wait, answer.run_id, count, wait))
            elif self._open:
                self._resting.append(loop.create_future())
                self._arm()
                await self._resting[-1]
            else:
                while self._resting:
                    self._wake()
                return

    async def _poll(self, due: float, run: str, left: int, wait: float) -> None:
        url = URL(f"{self._url}/v1/workflow/history/{run}", encoded=True)
        async with self._session.get(url, headers=HEADERS) as said:
            answer = decode(await said.read())
        if left > 1 or answer.status != "completed":
            heapq.heappush(self._heap, (due + wait, run, left - 1, wait))
            return
        self._open -= 1
        self._end(answer)

    def _arm(self) -> None:
        # One worker is woken for what is due first; it arms the timer again, for the next one.
        if self._timer is None and self._resting and self._heap:
            self._timer = self._loop.call_at(self._heap[0][0], self._wake)

    def _wake(self) -> None:
        self._timer = None
        if self._resting:
            self._resting.popleft().set_result(None)


async def main(url: str, path: Path, mode: str, *numbers: str) -> Script:
    """Everything; `numbers`: polls a row and seconds until the last one, for `async`."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as open_:
        with path.open(newline="") as file:
            rows = iter(csv.DictReader(file))
            if mode == "sync":
                script = Script(open_, url, rows)
                work = script.sync
            else:
                script = polling = Polling(open_, url, rows, *map(float, numbers))
                work = polling.work
            async with asyncio.TaskGroup() as group:
                for _ in range(WORKERS):
                    group.create_task(work())
    return script


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        script = runner.run(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
    print(json.dumps({"completed": script.completed, "bytes": script.bytes}))
