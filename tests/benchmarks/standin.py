"""The stand-in service: `python -m tests.benchmarks.standin`, a process of its own on loopback, as fast as Python can.

Its first line on standard output is its address. It speaks as much of the v1 dialect, and of the one of api.coze.cn,
as the benchmarks need, over HTTP/1.1 with keep-alive and pipelining, without chunked bodies. `GET /stats` and
`GET /times` tell what it has counted. It ends by itself after `--seconds`.
"""

import argparse
import asyncio
import gc
import json
import math
import resource
import ssl
from collections.abc import Callable
from time import monotonic as now  # noqa: TID251 - uvloop's clock counts milliseconds: too coarse to judge by
from time import time as wall_clock  # noqa: TID251 - what it says of its runs is of the wall clock
from typing import cast

from batchrun.simulator.run_duration import parse_duration
from tests.benchmarks.service import Quota, Service, answer

LENGTH = b"content-length:"


class Connection(asyncio.Protocol):
    """Takes requests apart by hand; what comes in one piece is answered in one piece."""

    def __init__(self, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        at = now()
        if self._rest:
            data = self._rest + data
        start, answers = 0, []
        while (end := data.find(b"\r\n\r\n", start)) >= 0:
            if data.startswith(b"GET ", start):
                answers.append(self._get(data[start + 4 : data.find(b" ", start + 4)], at))
                start = end + 4
                continue
            length = _length(data, start, end)
            if len(data) < end + 4 + length:
                break
            said, after = self._service.post(data[end + 4 : end + 4 + length], at)
            if after > 0:
                self._loop.call_later(after, self._write, said)
            else:
                answers.append(said)
            start = end + 4 + length
        self._rest = data[start:]
        if answers:
            self._transport.write(b"".join(answers) if len(answers) > 1 else answers[0])

    def _get(self, path: bytes, at: float) -> bytes:
        place, _, name = path.rpartition(b"/")
        if name.isdigit():
            return self._service.poll(int(name), at, is_open=place.endswith(b"/run_histories"))
        pages: dict[bytes, Callable[[], object]] = {b"stats": self._stats, b"times": self._service.times}
        if name in pages:
            return answer(json.dumps(pages[name]()).encode())
        return answer(b'{"error":{"code":"NOT_FOUND","message":"no such path"}}', "404 Not Found\r\n")

    def _stats(self) -> dict[str, object]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return self._service.stats() | {"cpu": used.ru_utime + used.ru_stime, "now": now()}

    def _write(self, said: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(said)


def _length(data: bytes, start: int, end: int) -> int:
    found = data.find(b"Content-Length:", start, end)
    if found < 0:
        found = data[start:end].lower().find(LENGTH) + start
        if found < start:
            return 0
    stop = data.find(b"\r", found, end)
    return int(data[found + len(LENGTH) : stop if stop >= 0 else end])


def quotas(words: list[str]) -> dict[str, Quota]:
    """Of `posts=50`, `all=50,60:25` (25 from 60 s after the first request on)."""
    found = {}
    for word in words:
        kind, _, steps = word.partition("=")
        pairs = [step.rpartition(":") for step in steps.split(",")]
        found[kind] = Quota([(float(since or 0), int(limit)) for since, _, limit in pairs])
    return found


async def serve(options: argparse.Namespace) -> None:
    """Until the time is over."""
    loop = asyncio.get_running_loop()
    since, factor = map(float, options.shift.split(":"))
    service = Service(
        parse_duration(options.duration),
        polls=options.polls,
        shift=(since, factor),
        quotas=quotas(options.quota),
        retry_after=options.retry_after,
        wall=wall_clock() - now(),
        note_polls=options.note_polls,
    )
    gc.freeze()
    gc.disable()
    context = None
    if options.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*options.tls)
    server = await loop.create_server(
        lambda: Connection(service, loop), "127.0.0.1", options.port, backlog=4096, ssl=context
    )
    print(f"http{'s' if context else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await asyncio.sleep(options.seconds)


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.standin")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="speak TLS")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--duration", default="0", help="of runs, as `batchrun --sim duration=` takes it")
    parser.add_argument("--polls", type=int, default=1, help="a run tells its end to no poll before this one")
    parser.add_argument("--shift", default=f"{math.inf}:1", metavar="S:FACTOR", help="later runs take so much longer")
    parser.add_argument("--quota", action="append", default=[], metavar="posts|polls|all=N[,S:N]")
    parser.add_argument("--retry-after", type=float, help="seconds, said with every 429")
    parser.add_argument("--note-polls", action="store_true", help="note each poll's run, and each run's input `id`")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(serve(options))


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed."""
    try:
        import uvloop  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    made: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return made


if __name__ == "__main__":
    main()
