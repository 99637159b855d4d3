"""A token that is shown nowhere but in the header of a request."""

import re

from multidict import CIMultiDict

from batchrun.dialects.base import TokenHeaders, bearer

MIN_MASKED_CHARACTERS = 12
"""Characters of a token that is masked everywhere. A shorter one (`test`, `x`) also occurs in ordinary text."""

MASK = b"***"


class Secret:
    """A token's value. Its `repr` and `str` do not show it."""

    def __init__(self, value: str, headers: TokenHeaders = bearer) -> None:
        self._value = value
        self._headers = headers
        self._is_short = len(value) < MIN_MASKED_CHARACTERS
        # `_core` is never escaped, so a fast search for it comes first. `_spellings` matches the token with the escapes
        # of JSON and URLs: `/` as `\\/`, `+` as `\\u002b` or `%2B`. JSON within JSON doubles the backslashes.
        self._core = max(re.findall(r"[A-Za-z0-9]*", value), key=len).encode()
        self._spellings = re.compile("".join(map(_spellings_of, value)).encode())

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

        Successful responses are masked too, because no file may contain the token. A short token is masked only in
        refusals, and only in the form of its header.
        """
        if self._is_short:
            sent, shown = self._headers(self._value), self._headers(MASK.decode())
            for name in sent if refusal else ():
                text = text.replace(sent[name].encode(), shown[name].encode())
            return text
        return self._spellings.sub(MASK, text) if self._core in text else text


def _spellings_of(character: str) -> str:
    if character.isalnum():
        return character
    code = f"{ord(character):02x}"
    either_case = "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in code)
    return rf"(?:\\*{re.escape(character)}|\\+u00{either_case}|%{either_case})"
