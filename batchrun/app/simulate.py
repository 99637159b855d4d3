"""Runs the simulator as a server."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from batchrun.adapters.clock import WallClock
from batchrun.errors import ExitCode
from batchrun.simulator.options import SimulatorOptions
from batchrun.simulator.server import serve
from batchrun.simulator.service import Simulator
from batchrun.simulator.store import Store


async def simulate(
    options: SimulatorOptions,
    port: int,
    seed: int,
    db: Path | None,
    write_line: Callable[[str], None],
    *,
    api: str,
) -> int:
    """Serve until SIGINT or SIGTERM, and return the exit code. Raises `InputError` if the port is in use."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    with Store(db) as store:
        simulator = Simulator(WallClock(), store, options, seed, api)
        async with serve(simulator, port) as base_url:
            write_line(f"simulating the service at {base_url}")
            await stopped.wait()
    return ExitCode.OK
