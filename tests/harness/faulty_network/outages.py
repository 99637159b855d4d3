"""Outages of a whole service: it refuses connections, does not accept them, or dies with all that it has open."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tests.harness.faulty_network.job import ROWS, Serve, Told, has_output_of, job
from tests.harness.faulty_network.service import Exchange, RawService, bound_socket, encoded, listening, whole
from tests.support.virtual import VirtualClock

RUN_SECONDS = 20.0
"""How long a run takes, so that polls are sent before and after an outage."""
ANSWER_SECONDS = 3.0
"""How long the service takes to answer the POST of a row in the air."""
IN_THE_AIR = 3
"""The row whose POST is in the air when the service dies."""


@dataclass(frozen=True)
class Outage:
    """What happens to the service, when, and for how long, in seconds. `is_sync`: `--mode sync`."""

    kind: str
    api: str
    begin: float
    seconds: float
    is_sync: bool


def outages(full: bool) -> list[Outage]:
    """What is tried."""
    found = [
        Outage(kind, api, begin, seconds, is_sync)
        for kind in ("refuses", "does not accept", "drops connections")
        for api in ("v1", "open")
        for begin in ((0.0, 0.1, 2.0, 15.0) if full else (0.0, 2.0))
        for seconds in ((1.0, 45.0, 600.0) if full else (45.0,))
        for is_sync in (False, True)
        if begin or kind != "drops connections"
    ]
    return found if full else found[::3]


def tried(outage: Outage, folder: Path) -> list[str]:
    """Run one job; what went wrong."""
    clock = VirtualClock()
    service = RawService(outage.api, clock, _answers_late, "sync" if outage.is_sync else "post", IN_THE_AIR)
    service.seconds = RUN_SECONDS
    told = job(folder, service, clock, _serve(outage), mode="sync" if outage.is_sync else "async")
    return [f"{outage}: {problem}" for problem in _problems(outage, service, told)]


async def _answers_late(exchange: Exchange) -> bool:
    await asyncio.sleep(ANSWER_SECONDS)
    exchange.writer.write(whole(encoded(exchange.good)))
    return True


def _problems(outage: Outage, service: RawService, told: Told) -> Iterator[str]:
    if [*sorted(told.rows)] != [*range(ROWS)] or told.twice:
        yield f"rows {sorted(told.rows)} are in the files, {told.twice} twice"
    for row, (state, text) in sorted(told.rows.items()):
        may_be_in_doubt = row == IN_THE_AIR and outage.begin > 0
        is_right = (state == "completed" and has_output_of(row, text)) or (state == "in_doubt" and may_be_in_doubt)
        if service.posts[row] != 1 or not is_right:
            yield f"row {row} is {state} {text[:100]!r} after {service.posts[row]} POSTs"
    ended = 0 if all(state == "completed" for state, _ in told.rows.values()) else 3
    if told.exit_codes != [ended]:
        yield f"exit codes {told.exit_codes}"


def _serve(outage: Outage) -> Serve:
    @asynccontextmanager
    async def serve(service: RawService, port: int) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(_play(outage, service, port))
            await asyncio.sleep(0)  # it has begun
            yield
            playing.cancel()

    return serve


async def _play(outage: Outage, service: RawService, port: int) -> None:
    """Serve, but for the time of the outage."""
    if outage.begin:
        async with listening(service, port):
            await asyncio.sleep(outage.begin)
            if outage.kind == "drops connections":
                service.cut_connections()
                await asyncio.Event().wait()
    async with _full(port) if outage.kind == "does not accept" else nullcontext():
        await asyncio.sleep(outage.seconds)
    async with listening(service, port):
        await asyncio.Event().wait()


@asynccontextmanager
async def _full(port: int) -> AsyncIterator[None]:
    """As many connections wait to be accepted as there is room for, so that the system answers no more."""
    with ExitStack() as opened:
        waiting = opened.enter_context(bound_socket(port))
        waiting.listen(0)
        for _ in range(4):
            client = opened.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield
