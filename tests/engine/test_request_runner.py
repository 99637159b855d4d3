"""An answer without an output is passed on at once, even if the journal's queue is full."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from batchrun.adapters.rate_limiter import Pacer
from batchrun.engine.request_class import RequestClass
from batchrun.engine.request_runner import PendingRequest, RequestRunner
from batchrun.ports import Permit, Request, Response
from tests.support.virtual import run_virtual


class _Answering:
    async def send(self, _request: Request, permit: Permit) -> Response:
        await permit()
        return Response(200, b"{}")


async def _full() -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(("with_outputs", "waits"), [(False, 0), (True, 60)])
def test_only_answers_with_outputs_wait_for_room_in_the_journal(*, with_outputs: bool, waits: float) -> None:
    async def main() -> float:
        context: Any = SimpleNamespace(
            transport=_Answering(),
            connections=asyncio.Semaphore(1),
            settings=SimpleNamespace(max_connections=1),
            transitions=SimpleNamespace(room=_full),
        )
        loop = asyncio.get_running_loop()
        runner = RequestRunner[PendingRequest](
            context,
            RequestClass("submission", Pacer(10), 1, 900.0),
            on_sent=lambda _: None,
            with_outputs=with_outputs,
        )
        await runner.admit()
        runner.requests.on_prepared()
        began = loop.time()
        await runner.send(PendingRequest(probe=False, now=began), Request("POST", "/"))
        return loop.time() - began

    assert run_virtual(main()) == pytest.approx(waits, abs=1)
