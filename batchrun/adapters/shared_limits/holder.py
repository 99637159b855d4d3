"""Keeps the ledger of the leases, and serves it to the members."""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass, field

from batchrun.adapters.shared_limits.election import TOUCH_SECONDS, Leadership
from batchrun.adapters.shared_limits.messages import Grant, decode_report, encode
from batchrun.adapters.shared_limits.peer import is_same_user
from batchrun.domain.lease_book import LeaseBook
from batchrun.domain.leases import LEASE

TICK = 0.05
"""Seconds between two looks at what has run out."""


@dataclass(slots=True)
class _Connection:
    writer: asyncio.StreamWriter
    report: int = 0
    """The number of the last report."""
    sent: int = 0
    """The number of the last grant; one with the same slots has the same number."""
    slots: dict[str, int] = field(default_factory=dict)
    """Those of the last grant."""
    periods: dict[str, float] = field(default_factory=dict)


class Holder:
    """Serves the leases until another job has taken over."""

    def __init__(self, leadership: Leadership) -> None:
        self._leadership = leadership
        self._time = asyncio.get_running_loop().time
        self._book = LeaseBook(self._time() + LEASE + TOUCH_SECONDS - leadership.lease_age)
        self._connections: dict[str, _Connection] = {}
        self._number = 0

    async def serve(self) -> None:
        """Serve until another job is the holder. When cancelled, let another job be the holder."""
        is_alone = False
        try:
            async with asyncio.TaskGroup() as group:
                accepting = group.create_task(self._accept(group), name="accept members")
                try:
                    while self._leadership.is_current():
                        self._remove_expired()
                        self._publish()
                        await asyncio.sleep(TICK)
                finally:
                    is_alone = len(self._connections) <= 1  # the job itself is a member
                    accepting.cancel()
                    for connection in self._connections.values():
                        connection.writer.transport.abort()
        finally:
            self._leadership.release(is_idle=is_alone)

    async def _accept(self, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._leadership.listening)
            except OSError:  # too many open files, for example; a member that waits too long takes over
                await asyncio.sleep(TICK)
                continue
            connection.setblocking(False)
            if is_same_user(connection):
                group.create_task(self._serve_member(connection), name="member")
            else:
                connection.close()

    async def _serve_member(self, connected: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_unix_connection(sock=connected)
        except OSError:
            connected.close()
            return
        except BaseException:
            connected.close()
            raise
        self._number += 1
        member, connection = str(self._number), _Connection(writer)
        self._connections[member] = connection
        try:
            with suppress(OSError, ValueError):  # the connection is broken, or a line is too long
                while (line := await reader.readline()).endswith(b"\n"):
                    if member not in self._connections or not self._on_report(member, connection, line):
                        break
        finally:
            self._connections.pop(member, None)
            self._book.leave(member, self._time())
            writer.transport.abort()

    def _on_report(self, member: str, connection: _Connection, line: bytes) -> bool:
        """Answer a report. Returns False if the connection is to be closed."""
        report = decode_report(line)
        if report is None:
            return False
        now = self._time()
        is_current = report.received == connection.sent
        self._book.report(member, report.rates, report.held, report.wanted, is_current=is_current, now=now)
        news = [self._book.pause(limit, now + seconds) for limit, seconds in report.pauses.items()]
        connection.report = report.number
        self._publish(answered=member, to_all=any(news))
        return True

    def _remove_expired(self) -> None:
        now = self._time()
        for member in self._book.expired(now):
            self._book.leave(member, now)
            if (connection := self._connections.pop(member, None)) is not None:
                connection.writer.transport.abort()

    def _publish(self, answered: str | None = None, *, to_all: bool = False) -> None:
        """Send new slots to the members that they concern, an answer to the one that has reported, or all to all."""
        now = self._time()
        targets, pauses = self._book.assign(now), self._book.pauses(now)
        if not self._leadership.is_current():  # targets that are not sent count as sent, which does no harm
            return
        for member, slots in targets.items():
            connection = self._connections.get(member)
            if connection is None:
                continue
            periods = self._book.periods(slots)
            is_news = slots != connection.slots or periods != connection.periods
            if is_news or to_all or member == answered:
                connection.sent += is_news
                connection.slots, connection.periods = slots, periods
                grant = Grant(connection.sent, connection.report, slots, periods, pauses)
                if not connection.writer.is_closing():
                    connection.writer.write(encode(grant))
