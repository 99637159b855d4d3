"""One token, kept so that nothing shows it but the header of a request."""

import re

from multidict import CIMultiDict

from batchrun.dialects.base import TokenHeaders, bearer

LEAST_SECRET = 12
"""Characters; a shorter token (`test`, `x`) is a word like any other, and masking it would garble what is said."""

MASK = b"***"


class Secret:
    """A token's value. Its `repr` and `str` do not show it."""

    def __init__(self, value: str, headers: TokenHeaders = bearer) -> None:
        self._value = value
        self._headers = headers
        self._is_short = len(value) < LEAST_SECRET
        # A part of it that is spelled one way only, to look for first, which is fast; and all of it as JSON or an
        # address may spell it: `/` as `\\/`, `+` as `\\u002b` or `%2B`.
        self._core = max(re.findall(r"[A-Za-z0-9]*", value), key=len).encode()
        self._spellings = re.compile("".join(map(_spellings_of, value)).encode())

    def __repr__(self) -> str:
        return "Secret(***)"

    def headers(self, *, json: bool) -> CIMultiDict[str]:
        """The headers of a request with this token, and with a body of JSON or with none."""
        return CIMultiDict(self._headers(self._value), **({"Content-Type": "application/json"} if json else {}))

    def is_same(self, value: str) -> bool:
        """Whether it is this token."""
        return self._value == value

    def masked(self, text: bytes, *, refusal: bool) -> bytes:
        """What a service said, without the token: it may repeat what it was sent, and we write down what it said.

        That holds for good answers too, since no file may hold the token, and nothing else in an output looks like
        it. A token that is too short to be told from ordinary words is masked in refusals alone, where it stands as
        in its header.
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
    return rf"(?:\\?{re.escape(character)}|\\u00{either_case}|%{either_case})"
