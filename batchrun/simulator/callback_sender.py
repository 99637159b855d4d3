"""Sends the callbacks of the simulated service over HTTP."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

import aiohttp

from batchrun.simulator.callbacks import PendingCallback
from batchrun.simulator.service import Simulator

TIMEOUT = 10.0
"""Seconds until a callback is given up. Callbacks are not retried."""


class CallbackSender:
    """Context manager that sends scheduled callbacks when they are due. Leaving it cancels those that are left."""

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
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        for task in self._tasks:
            task.cancel()
        try:
            await self._group.__aexit__(error_type, error, trace)
        finally:
            await self._session.close()

    async def schedule(self, callbacks: Iterable[PendingCallback]) -> None:
        """Send each callback after its delay. Returns once those marked `before_answer` are answered.

        Outside the context nothing is sent.
        """
        for callback in callbacks if self._open else ():
            if callback.before_answer:
                await self._send(callback)
            else:
                task = self._group.create_task(self._wait_and_send(callback), name=f"callback {callback.run.run_id}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _wait_and_send(self, callback: PendingCallback) -> None:
        await asyncio.sleep(callback.delay)
        await self._send(callback)

    async def _send(self, callback: PendingCallback) -> None:
        status = None
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            headers = {"content-type": "application/json"}
            async with self._session.post(
                callback.url, data=self._simulator.callback_body(callback), headers=headers, allow_redirects=False
            ) as answer:
                status = answer.status
        self._simulator.count_callback(status)
