"""A job as a member of shared limits: it reports what it wants, and keeps its rate limiters to what it gets."""

import asyncio
import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from batchrun.adapters.rate_limiter import Pacer
from batchrun.adapters.shared_limits.election import Election
from batchrun.adapters.shared_limits.holder import Holder
from batchrun.adapters.shared_limits.leased_limits import LeasedLimits
from batchrun.adapters.shared_limits.messages import decode_grant, encode
from batchrun.adapters.shared_limits.peer import connect
from batchrun.domain.demand import SAMPLE_SECONDS
from batchrun.domain.stalls import STALL
from batchrun.errors import StorageError
from batchrun.ports import Clock

log = logging.getLogger("batchrun")

PATIENCE = 1.5
"""Seconds without an answer after which the holder is passed over."""
RETRY = 0.05
"""Seconds before the holder is looked for again."""
DRAIN_TICK = 0.01
"""Seconds between two samples while slots are to be given back."""
WARN_AFTER = 10.0
"""Seconds without a lease after which a warning is logged."""


class Member:
    """Keeps the limits of `pacers`, by name, together with the other jobs that use `name`."""

    def __init__(self, name: str, pacers: Mapping[str, Pacer], clock: Clock, folder: Path) -> None:
        self._name = name
        self._limits = LeasedLimits(pacers, self._report_news)
        self._election = Election(folder, name, clock)
        self._time = asyncio.get_running_loop().time
        self._writer: asyncio.StreamWriter | None = None
        self._unleased_since = self._time()

    async def run(self) -> None:
        """Keep the limits together until cancelled. Raises `StorageError` if the files cannot be used."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._keep_sharing(group)
        finally:
            self._disconnect()

    async def _keep_sharing(self, group: asyncio.TaskGroup) -> None:
        """Be the holder, in `group`, where there is none, and follow the present one."""
        silent: str | None = None
        answered_at = self._time()
        while True:
            try:
                leadership = self._election.try_to_lead(silent)
                if leadership is not None:
                    group.create_task(Holder(leadership).serve(), name="shared limits")
                holder, silent = self._election.holder(), None
                if holder is not None:
                    try:
                        silent = await self._follow(holder)
                        answered_at = self._time()
                    except (ConnectionError, FileNotFoundError, BlockingIOError):
                        # The holder begins or ends just now. If it stays so, it is passed over.
                        silent = holder if self._time() - answered_at > PATIENCE else None
            except OSError as error:
                where = "" if error.filename is None else f"{error.filename}: "
                raise StorageError(f"--share-limits {self._name}: {where}{error.strerror or error}") from None
            self._disconnect()
            self._warn()
            await asyncio.sleep(RETRY)

    async def _follow(self, holder: str) -> str | None:
        """Report to this holder until the connection ends. Returns its name if it does not answer."""
        reader, self._writer = await connect(self._election.socket_of(holder))
        heard = looked = self._time()
        self._limits.restart()
        self._report_if_due()
        while True:
            line = None
            with suppress(TimeoutError, ValueError):
                async with asyncio.timeout(self._tick()):
                    line = await reader.readline()
            now = self._time()
            if now - looked > self._tick() + STALL:  # this process was stopped, and has not listened
                heard = max(heard, now)
            looked = now
            if line is not None:
                grant = decode_grant(line)
                if grant is None:
                    return None
                heard = now
                self._limits.apply(grant)
            elif now - heard > PATIENCE:
                log.warning(
                    "--share-limits %s: the job that assigns the shares does not answer and is passed over", self._name
                )
                return holder
            self._report_if_due()
            self._warn()

    def _tick(self) -> float:
        return DRAIN_TICK if self._limits.is_draining else SAMPLE_SECONDS

    def _report_if_due(self) -> None:
        if self._limits.sample():
            self._report()

    def _report_news(self) -> None:
        if self._limits.has_reported:
            self._report()

    def _report(self) -> None:
        if self._writer is None:
            return
        report = self._limits.report()
        if not self._writer.is_closing():  # a lost connection is noticed where it is read from
            self._writer.write(encode(report))

    def _disconnect(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        self._limits.restart()

    def _warn(self) -> None:
        now = self._time()
        if now < self._limits.leased_until or not self._limits.saturated:
            self._unleased_since = now
        elif now - self._unleased_since > WARN_AFTER:
            log.warning("--share-limits %s: waiting for a share of the limits", self._name)
            self._unleased_since = math.inf
