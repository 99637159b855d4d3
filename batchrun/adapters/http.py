"""The transport over aiohttp.

What matters is whether the service could have the request when something goes wrong. Exception classes do not tell
(`ClientConnectorError`, never connected, is a subclass of `ClientOSError`, a reset), so the one thing that counts is
whether the permit was given: it is asked for when the connection stands, and after it the bytes leave.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from batchrun.adapters.secret import Secret
from batchrun.adapters.tokens import Token
from batchrun.domain.hosts import is_loopback
from batchrun.domain.record import copied
from batchrun.errors import InputError
from batchrun.ports import HEADERS_READ, Clock, Permit, Request, Response, TransportError

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of one answer, decompressed; a longer one is cut off and proves nothing."""

SILENCE = 60
"""Seconds without a word after which the kernel asks whether the other side is still there. The answer to a synchronous
run may take an hour: until then nobody in between should forget the connection, and a service that vanished should not
be waited for."""

KEEPALIVE = 4.0
"""Seconds that an idle connection is kept: less than any server we know, so that it is not closed under a POST."""

CONNECT = 30.0
"""Seconds for a connection, however long the answer may take."""


class HttpTransport:
    """Sends requests to one service. Use `open_transport`."""

    def __init__(self, session: aiohttp.ClientSession, base_url: URL, token: Token, clock: Clock) -> None:
        self._session = session
        self._base = str(base_url).rstrip("/")
        self._token = token
        self._clock = clock
        self._proxy = proxy_for(base_url)
        self._root = URL(self._base)

    async def send(self, request: Request, permit: Permit) -> Response:
        """Send once; a 401 is answered by one more try if the token can be renewed."""
        used = self._token.secret
        response = await self._send(request, _Sending(permit, request.timeout), used)
        if response.status != 401:
            return response
        again = _Sending(permit, request.timeout)
        try:
            if await self._token.renew(used):
                return await self._send(request, again, self._token.secret)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if again.permitted or task is None:
                raise
            # The job stops while we wait for a token or for leave: what was refused with proof stays refused.
            task.uncancel()
        return copied(response, trouble=self._token.trouble)

    async def _send(self, request: Request, sending: "_Sending", secret: Secret) -> Response:
        _sending.set(sending)
        got: Response | None = None
        timed_out = False
        try:
            async with (
                sending.clock,
                self._session.request(
                    request.method,
                    self._url(request.path),
                    data=request.body,
                    headers=secret.headers(json=request.body is not None),
                    proxy=self._proxy,
                    allow_redirects=False,  # the token goes to the service and nowhere else
                ) as answer,
            ):
                got = Response(answer.status, b"", _headers_read(answer), self._clock.now())
                body = await _read(answer)
                return copied(got, body=secret.masked(body, refusal=got.status >= 400))
        except TimeoutError:
            timed_out = sending.permitted
            seconds = request.timeout if timed_out else min(request.timeout, CONNECT)
            problem = f"no {'answer' if timed_out else 'connection'} within {seconds:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # ValueError: what a server can send is without limit, and so is what a parser can say to it.
            problem = secret.masked(_words(error).encode(), refusal=True).decode()
        if got is not None and (400 <= got.status < 500 or got.status == 503):
            return got  # the status alone proves the refusal, whatever happened to the rest
        raise TransportError(problem, sent=sending.permitted, timed_out=timed_out)

    def _url(self, path: str) -> URL:
        if "?" in path:
            return URL(self._base + path, encoded=True)
        return self._root.with_path(self._root.raw_path.rstrip("/") + path, encoded=True)


class _Sending:
    """One request on its way: from the permit on it may have been sent, and its time runs anew."""

    def __init__(self, permit: Permit, timeout: float) -> None:
        self._permit = permit
        self._timeout = timeout
        self.permitted = False
        self.clock = asyncio.timeout(None)

    def connecting(self) -> None:
        """A connection is being made."""
        self._run_out_in(min(self._timeout, CONNECT))

    async def connected(self) -> None:
        """There is a connection."""
        if self.clock.when() is not None:  # waiting for a permit is our own doing and must not use up its time
            self.clock.reschedule(None)
        await self._permit()

    def leaves(self) -> None:
        """From now on the service may have it."""
        self.permitted = True
        self._run_out_in(self._timeout)

    def _run_out_in(self, seconds: float) -> None:
        self.clock.reschedule(asyncio.get_running_loop().time() + seconds)


_sending: ContextVar[_Sending] = ContextVar("sending")


class _PacedConnector(aiohttp.TCPConnector):
    """Hands out a connection when it stands and the permit is given: the last thing before the bytes."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's
    ) -> Connection:
        sending = _sending.get()
        connection = await super().connect(req, traces, timeout)
        try:
            await sending.connected()
        except BaseException:
            connection.close()
            raise
        while connection.protocol is None or not connection.protocol.is_connected():
            # It was closed while we waited, before a byte was sent: another one, under the same permit.
            connection.close()
            connection = await super().connect(req, traces, timeout)
        sending.leaves()
        return connection

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's
    ) -> ResponseHandler:
        _sending.get().connecting()
        return await super()._create_connection(req, traces, timeout)


def lasting_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket for a connection on which nothing may be said for long; see `SILENCE`."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {"TCP_KEEPIDLE": SILENCE, "TCP_KEEPALIVE": SILENCE, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
    for name, value in options.items():
        if hasattr(socket, name):  # the second is what macOS calls the first
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _headers_read(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: answer.headers[name] for name in HEADERS_READ if name in answer.headers}


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    if answer.content.is_eof() and answer.content.total_bytes <= MAX_ANSWER:
        return answer.content.read_nowait()  # it came in one piece with its head, as most do
    parts, size = [], 0
    async for part in answer.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER:
            raise aiohttp.ClientPayloadError(f"the answer is longer than {MAX_ANSWER:,} bytes")
    return b"".join(parts)


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def proxy_for(url: URL) -> URL | None:
    """The proxy that the environment names for `url`, as `curl` takes it; never one for loopback."""
    host = url.host or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    proxies = getproxies()
    found = proxies.get(url.scheme) or proxies.get("all")
    if not found:
        return None
    proxy = URL(found if "://" in found else f"http://{found}")
    if proxy.scheme not in {"http", "https"}:
        raise InputError(f"the environment names the proxy {proxy.scheme}://…; only http and https proxies can be used")
    return proxy


def trusted(ca_file: str | None) -> ssl.SSLContext | bool:
    """What certificates are checked against; raises `InputError` for a file that cannot be used."""
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # SSLError is one
        reason = "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise InputError(f"--ca-file {ca_file}: cannot be used: {reason}") from None
    return context


@asynccontextmanager
async def open_transport(
    base_url: str, token: Token, clock: Clock, ca_file: str | None = None
) -> AsyncIterator[HttpTransport]:
    """A transport with one session: no redirects, no cookies, our own limits of connections and time."""
    connector = _PacedConnector(
        limit=0, keepalive_timeout=KEEPALIVE, ssl=trusted(ca_file), socket_factory=lasting_socket
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT),
        raise_for_status=False,
    ) as session:
        yield HttpTransport(session, URL(base_url), token, clock)
