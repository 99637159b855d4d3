"""Callbacks without sockets."""

import asyncio

from batchrun.dialects import DIALECTS
from batchrun.domain.callback_addresses import CallbackAddresses
from batchrun.ports import Hint


class FakeCallbacks:
    """Implements `ports.Callbacks` without sockets."""

    def __init__(self, base_url: str, key: str) -> None:
        self.addresses = CallbackAddresses(base_url, bytes.fromhex(key))
        self.refused = 0
        self._hints = asyncio.Queue[Hint]()

    def address(self, row: int, attempt: int) -> str:
        return self.addresses.of(row, attempt)

    def receive(self, path: str, body: bytes) -> None:
        attempt = self.addresses.proven(path)
        if attempt is None:
            self.refused += 1
        else:
            self._hints.put_nowait(Hint(*attempt, DIALECTS["v1"].callback_run_id(body)))

    async def next(self) -> Hint:
        return await self._hints.get()
