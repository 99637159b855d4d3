"""Waiting for an event or a time, whichever comes first."""

import asyncio


async def wait_until(event: asyncio.Event, until: float | None) -> None:
    """Wait until `event` is set. At the time `until` (the loop's; None: never) it is set from here.

    `asyncio.timeout` would interrupt the task instead, and costs several times as much: some loops wait once a row.
    """
    if until is None:
        await event.wait()
        return
    timer = asyncio.get_running_loop().call_at(until, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
