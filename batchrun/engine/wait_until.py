"""Waits for an event or a time, whichever comes first."""

import asyncio


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
