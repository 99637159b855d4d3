"""A token that is shown nowhere but in the header of a request."""

import base64

from multidict import CIMultiDict

from batchrun.adapters.credentials.escapes import Spellings
from batchrun.dialects.base import TokenHeaders, bearer

MIN_MASKED_CHARACTERS = 12
"""Characters of a token that is masked everywhere. A shorter one (`test`, `x`) also occurs in ordinary text."""

MASK = b"***"


class Secret:
    """A token's value. Its `repr` and `str` do not show it."""

    def __init__(self, value: str, headers: TokenHeaders = bearer) -> None:
        self._value = value
        self._headers = headers
        self._spellings = Spellings(value)
        raw, header = value.encode(), f"Bearer {value}".encode()
        self._encoded = [base64.b64encode(raw), base64.b64encode(header), raw.hex().encode()]
        self._is_short = len(value) < MIN_MASKED_CHARACTERS

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

        It is masked however it is escaped, for JSON, URLs or HTML, also within each other, and encoded in base64 or
        hexadecimal. Successful
        responses are masked too, because no file may contain the token. A short token is masked only in refusals, and
        only in the form of its header.
        """
        if not self._is_short:
            for encoded in self._encoded:
                text = text.replace(encoded, MASK)
            return self._spellings.replace(text, MASK)
        sent, shown = self._headers(self._value), self._headers(MASK.decode())
        for name in sent if refusal else ():
            text = Spellings(sent[name]).replace(text, shown[name].encode())
        return text

    def masked_text(self, text: str, *, refusal: bool) -> str:
        """`masked` for text. What is no valid text stays visible as an escape."""
        return self.masked(text.encode("utf-8", "backslashreplace"), refusal=refusal).decode()
