"""The times at which permits were granted, and how many lie in any window."""

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

from batchrun.adapters.rate_limiter import Pacer
from tests.support.virtual import run_virtual


class Log:
    """The loop times of the permits, since the start."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.start = asyncio.get_running_loop().time()

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() - self.start

    async def one(self, pacer: Pacer) -> None:
        await pacer.permit()
        self.times.append(self.now)


def most(times: list[float], seconds: float) -> int:
    """Most permits in any half-open window."""
    times, best, first = sorted(times), 0, 0
    for last, time in enumerate(times):
        while time - times[first] >= seconds - 1e-6:
            first += 1
        best = max(best, last - first + 1)
    return best


def holds(times: list[float], rate: float) -> bool:
    """Whether the service would accept all requests."""
    return most(times, 1.0) <= math.ceil(rate) if rate >= 1 else most(times, 1 / rate) <= 1


def virtual(main: Coroutine[Any, Any, None]) -> None:
    run_virtual(main)
