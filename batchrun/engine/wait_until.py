"""Waits for an event, or for tasks, or until a time, whichever comes first."""

import asyncio
from collections.abc import Collection
from typing import Any

from batchrun.domain.stalls import GRACE, STALL


async def wait_until(event: asyncio.Event, until: float | None) -> None:
    """Wait until `event` is set. At `until` (event loop time; None: never) this function sets the event itself.

    `asyncio.timeout` would cancel the task instead, which costs more. Some loops wait once per row.
    """
    if until is None:
        await event.wait()
        return
    timer = asyncio.get_running_loop().call_at(until, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()


async def wait_done(tasks: Collection[asyncio.Task[Any]], seconds: float) -> set[asyncio.Task[Any]]:
    """Wait at most `seconds` for all tasks, and return those that are not done.

    Time in which the event loop did not run does not count (see `domain.stalls`).
    """
    time, unfinished, has_grace = asyncio.get_running_loop().time, set(tasks), False
    while unfinished and seconds > 0:
        step, started = min(seconds, 1.0), time()
        _, unfinished = await asyncio.wait(unfinished, timeout=step)
        seconds -= step
        if time() - started > step + STALL and not has_grace:
            seconds, has_grace = max(seconds, GRACE), True
    return unfinished
