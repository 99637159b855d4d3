"""Reads the body of a response within its memory, and decompresses it."""

import zlib
from typing import Protocol

import aiohttp

from batchrun.adapters.http.deadlines import Deadline
from batchrun.adapters.http.memory import SMALL_BYTES, BodyMemory

PIECE_BYTES = 64 << 10
"""Read and decompress at most 64 KiB at once."""

ACCEPTED_ENCODINGS = "gzip, deflate"
_OTHER_ENCODINGS = frozenset({"br", "zstd", "compress"})


class _Source(Protocol):
    async def read(self, n: int) -> bytes: ...


async def get_memory(memory: BodyMemory, size: int, deadline: Deadline) -> None:
    """Get memory for `size` bytes of a body. Its time does not run while it waits. Raises TimeoutError."""
    if not memory.grow(size):
        with deadline.paused():
            await memory.wait_to_grow(size)


async def read_body(
    content: aiohttp.StreamReader, encoding: str, memory: BodyMemory, largest: int, deadline: Deadline
) -> bytes:
    """Read a body of at most `largest` bytes. See `get_memory`. Raises TimeoutError and aiohttp's errors."""
    source = _decoded(content, encoding.strip().lower())
    parts, size, granted = list[bytes](), 0, SMALL_BYTES
    while True:
        if size == granted < largest:
            granted = min(granted + PIECE_BYTES, largest)
            await get_memory(memory, granted, deadline)
        part = await source.read(min(granted - size, PIECE_BYTES) or 1)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > largest:
            raise aiohttp.ClientPayloadError(f"the answer is longer than {largest:,} bytes")


def _decoded(content: aiohttp.StreamReader, encoding: str) -> _Source:
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return _Inflated(content, encoding)
    if encoding in _OTHER_ENCODINGS:
        raise aiohttp.ClientPayloadError(f"the answer is compressed with {encoding}, which was not asked for")
    return content


class _Inflated:
    """A body in one of the `ACCEPTED_ENCODINGS`, decompressed in pieces, so that no memory is needed for more."""

    def __init__(self, content: aiohttp.StreamReader, encoding: str) -> None:
        self._content = content
        self._encoding = encoding
        self._input = b""
        self._decompressor: zlib._Decompress | None = None

    async def read(self, n: int) -> bytes:
        """At most `n` bytes; none at the end."""
        while not (part := self._decompress(n)):
            if not self._input:
                self._input = await self._content.read(PIECE_BYTES)
                if not self._input:
                    return b""
        return part

    def _decompress(self, n: int) -> bytes:
        if self._decompressor is None:
            if not self._input:
                return b""
            self._decompressor = zlib.decompressobj(self._window())
        try:
            part = self._decompressor.decompress(self._input, n)
        except zlib.error:
            raise aiohttp.ClientPayloadError(
                f"the answer is not compressed with {self._encoding}, as it says"
            ) from None
        self._input = self._decompressor.unconsumed_tail
        if self._decompressor.eof:  # another member of the same file may follow
            self._input, self._decompressor = self._decompressor.unused_data, None
        return part

    def _window(self) -> int:
        if self._encoding != "deflate":
            return 16 + zlib.MAX_WBITS
        # Some servers send the compressed data without the header that RFC 9110 §8.4.1.2 requires.
        return zlib.MAX_WBITS if self._input[0] & 0xF == 8 else -zlib.MAX_WBITS
