"""A token that is shown nowhere but in the header of a request."""

import base64
from collections.abc import Iterator

from multidict import CIMultiDict

from batchrun.adapters.credentials.escapes import Spellings
from batchrun.dialects.base import TokenHeaders, bearer

MIN_MASKED_CHARACTERS = 12
"""Characters of a token that is masked everywhere. A shorter one (`test`, `x`) also occurs in ordinary text."""

MAX_EARLIER = 4
"""Tokens before the present one that are masked."""

MASK = b"***"

_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


class Secret:
    """A token's value. Its `repr` and `str` do not show it."""

    def __init__(self, value: str, headers: TokenHeaders = bearer, earlier: "Secret | None" = None) -> None:
        """`earlier`: the token that this one replaces. Answers may still repeat it, so it is masked too."""
        self._value = value
        self._headers = headers
        self._spellings = Spellings(value)
        self._encoded = list(dict.fromkeys(_encodings(value)))
        self._shortest = min(map(len, self._encoded))
        self._wide = [value.encode(encoding) for encoding in _WIDE]
        self._is_short = len(value) < MIN_MASKED_CHARACTERS
        self._earlier: tuple[Secret, ...] = () if earlier is None else (earlier, *earlier._earlier)[:MAX_EARLIER]

    def __repr__(self) -> str:
        return "Secret(***)"

    def headers(self, *, json: bool) -> CIMultiDict[str]:
        """The headers of a request with this token; `json`: whether it has a JSON body."""
        return CIMultiDict(self._headers(self._value), **({"Content-Type": "application/json"} if json else {}))

    def is_same(self, value: str) -> bool:
        """Whether `value` is this token."""
        return self._value == value

    def masked(self, text: bytes, *, refusal: bool) -> bytes:
        """Mask the token in a response, which may repeat the request and is written to files.

        It is masked however it is escaped, for JSON, URLs or HTML, also within each other, and encoded in base64,
        hexadecimal or UTF-16. Successful responses are masked too, because no file may contain the token. A short token
        is masked only in refusals, and only in the form of its header.
        """
        for secret in (self, *self._earlier):
            text = secret._masked_alone(text, refusal=refusal)
        return text

    def _masked_alone(self, text: bytes, *, refusal: bool) -> bytes:
        if not self._is_short:
            for encoded in self._encoded if len(text) >= self._shortest else ():
                text = text.replace(encoded, MASK)
            for encoded in self._wide if b"\0" in text else ():
                text = text.replace(encoded, MASK)
            return self._spellings.replace(text, MASK)
        sent, shown = self._headers(self._value), self._headers(MASK.decode())
        for name in sent if refusal else ():
            text = Spellings(sent[name]).replace(text, shown[name].encode())
        return text

    def masked_text(self, text: str, *, refusal: bool) -> str:
        """`masked` for text. What is no valid text stays visible as an escape."""
        return self.masked(text.encode("utf-8", "backslashreplace"), refusal=refusal).decode()


def _encodings(value: str) -> Iterator[bytes]:
    """The value within encoded text. In base64 it has three forms, which depend on how many bytes precede it."""
    raw = value.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            encoded = encode(bytes(offset) + raw)
            yield encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]  # characters that the value alone decides
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
