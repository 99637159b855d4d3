"""Sends the callbacks of the simulated service."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

import aiohttp

from batchrun.simulator.callbacks import Call
from batchrun.simulator.service import Simulator

TIMEOUT = 10.0
"""Seconds for one callback; none is tried twice."""


class Caller:
    """Sends what is planned when it is due, for the length of the block."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._open = True
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT), trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        for task in self._tasks:
            task.cancel()
        try:
            await self._group.__aexit__(kind, error, trace)
        finally:
            await self._session.close()

    async def plan(self, calls: Iterable[Call]) -> None:
        """Send these calls in time; returns when those are answered that come first. Outside the block none is sent."""
        for call in calls if self._open else ():
            if call.first:
                await self._send(call)
            else:
                task = self._group.create_task(self._wait_and_send(call), name=f"call back {call.run.run_id}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _wait_and_send(self, call: Call) -> None:
        await asyncio.sleep(call.delay)
        await self._send(call)

    async def _send(self, call: Call) -> None:
        status = None
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            headers = {"content-type": "application/json"}
            async with self._session.post(
                call.url, data=self._simulator.body_of(call), headers=headers, allow_redirects=False
            ) as answer:
                status = answer.status
        self._simulator.called_back(status)
