"""Faults of connections, of HTTP, of lengths and of compression. The answer inside is good, if it can be reached."""

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable

from tests.harness.faulty_network.fault import End, Fault, does, doubtful, good, says
from tests.harness.faulty_network.service import Exchange, encoded, whole

Make = Callable[[Exchange], bytes]
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d"
CHUNKED = b"Transfer-Encoding: chunked"
BLOCK = bytes(64 << 10)
BLOCKS = 3000
"""More than the largest answer that is read."""
OTHER = b'{"run_id": "run-of-nobody", "execute_id": "run-of-nobody", "status": "completed", "code": 0, "data": "{}"}'


def under(*lines: bytes, first: bytes = OK, body: Callable[[bytes], bytes] = bytes, after: bytes = b"") -> Make:
    """The good answer under these header lines, in which `%d` stands for its length."""

    def make(exchange: Exchange) -> bytes:
        text = body(encoded(exchange.good))
        head = b"".join(line.replace(b"%d", b"%d" % len(text)) + b"\r\n" for line in lines)
        return first + head + b"\r\n" + text + after

    return make


def after(said: bytes) -> Make:
    """The good answer after something else."""
    return lambda exchange: said + whole(encoded(exchange.good))


def only(said: bytes) -> Make:
    """Something else than the good answer."""
    return lambda _: said


def chunks(text: bytes, size: int = 7, number: bytes = b"%x", extension: bytes = b"") -> bytes:
    pieces = (text[at : at + size] for at in range(0, len(text), size))
    return b"".join(number % len(piece) + extension + b"\r\n" + piece + b"\r\n" for piece in pieces)


def chunked(end: bytes = b"0\r\n\r\n", **more: int | bytes) -> Make:
    return under(CHUNKED, body=lambda text: chunks(text, **more) + end)  # type: ignore[arg-type]


def packed(name: bytes, pack: Callable[[bytes], bytes]) -> Make:
    return under(b"Content-Encoding: " + name, LENGTH, body=pack)


def raw_deflate(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(text) + packer.flush()


def drips(make: Make, seconds: float) -> Callable[[Exchange], Awaitable[None]]:
    """One byte after another."""

    async def behave(exchange: Exchange) -> None:
        data = make(exchange)
        for at in range(len(data)):
            exchange.writer.write(data[at : at + 1])
            await exchange.writer.drain()
            await asyncio.sleep(seconds)

    return behave


def waits(seconds: float) -> Callable[[Exchange], Awaitable[None]]:
    async def behave(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        exchange.writer.write(whole(encoded(exchange.good)))

    return behave


def endless(head: bytes, piece: bytes, times: int = BLOCKS) -> Callable[[Exchange], Awaitable[None]]:
    async def behave(exchange: Exchange) -> None:
        exchange.writer.write(head)
        for _ in range(times):
            exchange.writer.write(piece)
            await exchange.writer.drain()

    return behave


async def ends_its_side(exchange: Exchange) -> None:
    exchange.writer.write_eof()


BOMB, DEFLATE_BOMB = gzip.compress(bytes(80 << 20), 1), zlib.compress(bytes(80 << 20), 1)

CONNECTIONS = [
    doubtful("closes without an answer", says(only(b""), End.CLOSED)),
    doubtful("resets without an answer", says(only(b""), End.RESET)),
    doubtful("says nothing", says(only(b""), End.SILENT)),
    doubtful("ends its side of the connection", does(ends_its_side, End.SILENT)),
    doubtful("closes after a 100", says(only(b"HTTP/1.1 100 Continue\r\n\r\n"), End.CLOSED)),
    doubtful("says nothing after a 100", says(only(b"HTTP/1.1 100 Continue\r\n\r\n"), End.SILENT)),
    doubtful("resets after one byte", says(only(b"H"), End.RESET)),
    doubtful("answers too late", does(waits(125))),
    doubtful("drips a head", does(drips(only(OK + b"X: " + b"a" * 200), 1))),
    doubtful("drips a body", does(drips(only(OK + b"Content-Length: 9000\r\n\r\n" + b" " * 200), 1))),
    good("answers late", does(waits(25))),
    good("drips in time", does(drips(after(b""), 0.02))),
    good("closes after its answer without a word", says(after(b""), End.CLOSED)),
    good("resets after its answer", says(after(b""), End.RESET)),
]

HEADS = [
    doubtful("half a status line", says(only(b"HTTP/1."), End.CLOSED)),
    doubtful("half a head", says(only(OK + b"Content-Le"), End.CLOSED)),
    doubtful("garbage", says(only(b"\x00\xff garbage \r\n\r\n"), End.CLOSED)),
    doubtful("a banner of SSH", says(only(b"SSH-2.0-OpenSSH_9.6\r\n"), End.CLOSED)),
    doubtful("an alert of TLS", says(only(b"\x15\x03\x01\x00\x02\x02\x46"), End.CLOSED)),
    doubtful("a frame of HTTP/2", says(only(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00d"), End.CLOSED)),
    doubtful("a body without a head", says(lambda exchange: encoded(exchange.good), End.CLOSED)),
    doubtful("a status that is no number", says(under(LENGTH, first=b"HTTP/1.1 abc OK\r\n"), End.CLOSED)),
    doubtful("a status of four digits", says(under(LENGTH, first=b"HTTP/1.1 2000 OK\r\n"), End.CLOSED)),
    doubtful("a negative status", says(under(LENGTH, first=b"HTTP/1.1 -200 OK\r\n"), End.CLOSED)),
    doubtful("another protocol", says(under(LENGTH, first=b"ICY 200 OK\r\n"), End.CLOSED)),
    doubtful("a header without a colon", says(under(LENGTH, b"Server nginx"), End.CLOSED)),
    doubtful("a header whose name has a blank", says(under(LENGTH, b"X Y: 1"), End.CLOSED)),
    doubtful("a NUL in a header", says(under(LENGTH, b"X: a\0b"), End.CLOSED)),
    doubtful("a header of a megabyte", says(under(LENGTH, b"X: " + b"a" * 1_000_000), End.CLOSED)),
    doubtful("100,000 headers", says(under(LENGTH, *[b"X: a"] * 100_000), End.CLOSED)),
    doubtful("100s without an end", does(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 300, 20), End.SILENT)),
    good("100s before the answer", says(after(b"HTTP/1.1 100 Continue\r\n\r\n" * 3))),
    good("a 103 before the answer", says(after(b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"))),
    good("names in lower case", says(under(b"content-length: %d", b"content-type: text/plain"))),
    good("no reason", says(under(LENGTH, first=b"HTTP/1.1 200\r\n"))),
    good("a hundred headers and a cookie", says(under(LENGTH, *[b"Set-Cookie: a=b"] * 100))),
    good("HTTP/1.0 until the end of the connection", says(under(first=b"HTTP/1.0 200 OK\r\n"), End.CLOSED)),
    good("no length, until the end of the connection", says(under(), End.CLOSED)),
]

LENGTHS = [
    doubtful("a body cut off", says(under(b"Content-Length: 9%d"), End.CLOSED)),
    doubtful("a body cut off by a reset", says(under(b"Content-Length: 9%d"), End.RESET)),
    doubtful("a body of which the end does not come", says(under(b"Content-Length: 9%d"), End.SILENT)),
    doubtful("no length, and no end", says(under(), End.SILENT)),
    doubtful("a length that is too short", says(under(b"Content-Length: 30"))),
    doubtful("a length of 0", says(under(b"Content-Length: 0"))),
    doubtful("a length that is no number", says(under(b"Content-Length: many"), End.CLOSED)),
    doubtful("a negative length", says(under(b"Content-Length: -%d"), End.CLOSED)),
    doubtful("a length with a sign", says(under(b"Content-Length: +%d"), End.CLOSED)),
    doubtful("two lengths", says(under(LENGTH, b"Content-Length: 1%d"), End.CLOSED)),
    doubtful("a length beyond all numbers", says(under(b"Content-Length: 9999999999999999999999"), End.CLOSED)),
    doubtful("an endless body", does(endless(OK + b"\r\n", BLOCK), End.CLOSED)),
    good("an answer and one that nobody asked for", says(under(LENGTH, after=whole(OTHER)))),
    good("an answer and an empty line", says(under(LENGTH, after=b"\r\n"))),
    # The parser reads what arrives at once as a whole, and finds no answer in it.
    doubtful("an answer and garbage", says(under(LENGTH, after=b"\x00garbage\r\n\r\n"))),
]

CHUNKS = [
    good("chunks", says(chunked())),
    good("chunks of one byte", says(chunked(size=1))),
    good("chunks with extensions", says(chunked(extension=b";a=b"))),
    good("chunks with long numbers", says(chunked(number=b"%06X"))),
    good("trailers", says(chunked(b"0\r\nX-Checksum: 1\r\n\r\n"))),
    doubtful("a chunk cut off", says(chunked(b"ff\r\nabc"), End.CLOSED)),
    doubtful("no last chunk", says(chunked(b""), End.CLOSED)),
    doubtful("no last chunk, and no end", says(chunked(b""), End.SILENT)),
    doubtful("trailers cut off", says(chunked(b"0\r\nX-Check"), End.CLOSED)),
    doubtful("a chunk of garbage", says(chunked(b"zz\r\nabc\r\n0\r\n\r\n"), End.CLOSED)),
    doubtful("a chunk of negative size", says(chunked(b"-5\r\nabc\r\n0\r\n\r\n"), End.CLOSED)),
    doubtful("a chunk beyond all numbers", says(chunked(b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"), End.CLOSED)),
    doubtful("endless chunks", does(endless(OK + CHUNKED + b"\r\n\r\n", b"10000\r\n" + BLOCK + b"\r\n"), End.CLOSED)),
    doubtful("an endless trailer", does(endless(OK + CHUNKED + b"\r\n\r\n0\r\nX: ", b"a" * 9000), End.CLOSED)),
]

COMPRESSED = [
    good("gzip", says(packed(b"gzip", gzip.compress))),
    good("deflate", says(packed(b"deflate", zlib.compress))),
    good("deflate without a head", says(packed(b"deflate", raw_deflate))),
    good("no compression, by name", says(packed(b"identity", bytes))),
    good(
        "gzip in chunks",
        says(under(b"Content-Encoding: gzip", CHUNKED, body=lambda text: chunks(gzip.compress(text)) + b"0\r\n\r\n")),
    ),
    doubtful("not the gzip that it says", says(packed(b"gzip", bytes))),
    doubtful("gzip cut off", says(packed(b"gzip", lambda text: gzip.compress(text)[:-12]))),
    doubtful("gzip with a wrong checksum", says(packed(b"gzip", lambda text: gzip.compress(text)[:-8] + bytes(8)))),
    doubtful("gzip twice", says(packed(b"gzip", lambda text: gzip.compress(gzip.compress(text))))),
    doubtful("an encoding that nobody knows", says(packed(b"snappy", gzip.compress))),
    doubtful("a bomb of gzip", says(packed(b"gzip", lambda _: BOMB))),
    doubtful("a bomb of deflate", says(packed(b"deflate", lambda _: DEFLATE_BOMB))),
]

FRAMING: list[Fault] = [*CONNECTIONS, *HEADS, *LENGTHS, *CHUNKS, *COMPRESSED]
