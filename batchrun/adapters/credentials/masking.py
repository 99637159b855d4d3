"""Masks a secret in answers, however it is escaped or encoded in them."""

import base64
from collections.abc import Iterator

from batchrun.adapters.credentials.escapes import Spellings

MASK = b"***"

_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


class Masking:
    """Masks one secret, a text of printable ASCII.

    It is masked however it is escaped, for JSON, URLs or HTML, also within each other, and encoded in base64,
    hexadecimal or UTF-16.
    """

    def __init__(self, value: str) -> None:
        self._spellings = Spellings(value)
        self._encoded = list(dict.fromkeys(_encodings(value.encode())))
        self._shortest = min(map(len, self._encoded))
        self._wide = [value.encode(encoding) for encoding in _WIDE]

    def replace(self, text: bytes) -> bytes:
        """The text with `MASK` in the place of the secret."""
        for encoded in self._encoded if len(text) >= self._shortest else ():
            text = text.replace(encoded, MASK)
        for encoded in self._wide if b"\0" in text else ():
            text = text.replace(encoded, MASK)
        return self._spellings.replace(text, MASK)


def _encodings(value: bytes) -> Iterator[bytes]:
    """The value within encoded text. In base64 it has three forms, which depend on how many bytes precede it."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            encoded = encode(bytes(offset) + value)
            yield encoded[-(-offset * 8 // 6) : (offset + len(value)) * 8 // 6]  # what the value alone decides
    yield value.hex().encode()
    yield value.hex().upper().encode()
