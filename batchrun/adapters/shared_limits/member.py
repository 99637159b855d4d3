"""A job as a member of shared limits: it reports what it wants, and keeps its rate limiters to what it gets."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from batchrun.adapters.rate_limiter import Pacer
from batchrun.adapters.shared_limits.election import Election
from batchrun.adapters.shared_limits.holder import Holder
from batchrun.adapters.shared_limits.messages import Grant, Report, decode_grant, encode
from batchrun.adapters.shared_limits.peer import connect
from batchrun.domain.demand import SAMPLE_SECONDS, Demand
from batchrun.domain.lease_book import SAME_PAUSE
from batchrun.domain.leases import LEASE
from batchrun.domain.stalls import STALL
from batchrun.errors import StorageError
from batchrun.ports import Clock

log = logging.getLogger("batchrun")

RENEWAL = 0.5
"""Seconds between two reports of a member that has nothing new to report."""
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
        self._pacers = pacers
        self._election = Election(folder, name, clock)
        self._time = asyncio.get_running_loop().time
        self._demands = {limit: Demand() for limit in pacers}
        self._slots = dict.fromkeys(pacers, 0)
        self._pauses = dict.fromkeys(pacers, -math.inf)
        self._news: set[str] = set()
        """The limits with pauses that were not reported yet."""
        self._leased_until = -math.inf
        self._writer: asyncio.StreamWriter | None = None
        self._sent: deque[tuple[int, float]] = deque()
        """The reports that were not answered yet: their numbers and when they were sent."""
        self._last_report: Report | None = None
        self._number = self._received = 0
        self._sampled_at = self._reported_at = -math.inf
        self._unleased_since = self._time()
        for limit, pacer in pacers.items():
            pacer.on_pause = partial(self._on_pause, limit)

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
        self._last_report, self._received = None, 0
        self._news.update(limit for limit, until in self._pauses.items() if until > heard)
        self._sample()
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
                self._apply(grant)
            elif now - heard > PATIENCE:
                log.warning(
                    "--share-limits %s: the job that assigns the shares does not answer and is passed over", self._name
                )
                return holder
            self._sample()
            self._warn()

    def _tick(self) -> float:
        is_draining = any(pacer.in_use > self._slots[limit] for limit, pacer in self._pacers.items())
        return DRAIN_TICK if is_draining else SAMPLE_SECONDS

    def _sample(self) -> None:
        """Measure the demand, and report if there is something new, or if the lease is to be renewed."""
        now = self._time()
        held = {limit: max(self._slots_left(limit, now), pacer.in_use) for limit, pacer in self._pacers.items()}
        if now >= self._sampled_at + SAMPLE_SECONDS:
            self._sampled_at = now
            for limit, pacer in self._pacers.items():
                self._demands[limit].sample(pacer.in_use, held[limit], is_short=pacer.is_short)
        last, wanted = self._last_report, {limit: demand.wanted for limit, demand in self._demands.items()}
        is_new = last is None or (self._received, held, wanted) != (last.received, last.held, last.wanted)
        if is_new or self._news or now >= self._reported_at + RENEWAL:
            self._report(now, held, wanted)

    def _slots_left(self, limit: str, now: float) -> int:
        return self._slots[limit] if now < self._leased_until else 0

    def _report(self, now: float, held: Mapping[str, int], wanted: Mapping[str, int]) -> None:
        if self._writer is None:
            return
        self._number += 1
        pauses = {limit: until - now for limit in self._news if (until := self._pauses[limit]) > now}
        rates = {limit: pacer.rate for limit, pacer in self._pacers.items()}
        self._news.clear()
        self._last_report = Report(self._number, self._received, rates, held, wanted, pauses)
        self._reported_at = now
        self._sent.append((self._number, now))
        if not self._writer.is_closing():  # a lost connection is noticed where it is read from
            self._writer.write(encode(self._last_report))

    def _apply(self, grant: Grant) -> None:
        self._received = grant.number
        while self._sent and self._sent[0][0] <= grant.report:
            self._leased_until = max(self._leased_until, self._sent.popleft()[1] + LEASE)
        for limit, pacer in self._pacers.items():
            slots = grant.slots.get(limit, 0)
            self._slots[limit] = slots
            pacer.lease(slots / grant.periods.get(limit, 1.0), self._leased_until)
        now = self._time()
        for limit, seconds in grant.pauses.items():
            if limit in self._pacers and now + seconds > self._pauses[limit] + SAME_PAUSE:
                self._pauses[limit] = now + seconds
                self._pacers[limit].pause_for_others(now + seconds)

    def _on_pause(self, limit: str, until: float) -> None:
        """The service has asked this job for a pause: tell the others at once."""
        if until > self._pauses[limit] + SAME_PAUSE:
            self._pauses[limit] = until
            self._news.add(limit)
            if self._last_report is not None:
                self._report(self._time(), self._last_report.held, self._last_report.wanted)

    def _disconnect(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
        self._sent.clear()
        self._last_report = None

    def _warn(self) -> None:
        now = self._time()
        if now < self._leased_until or not any(pacer.saturated for pacer in self._pacers.values()):
            self._unleased_since = now
        elif now - self._unleased_since > WARN_AFTER:
            log.warning("--share-limits %s: waiting for a share of the limits", self._name)
            self._unleased_since = math.inf
