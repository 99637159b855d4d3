"""One token, kept so that nothing shows it but the header of a request."""

import re
from functools import cached_property

LEAST_SECRET = 12
"""Characters; a shorter token (`test`, `x`) is a word like any other, and masking it would garble what is said."""

MASK = b"***"


class Secret:
    """A token's value. Its `repr` and `str` do not show it."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret(***)"

    @property
    def header(self) -> str:
        """The value of `Authorization`."""
        return f"Bearer {self._value}"

    def is_same(self, value: str) -> bool:
        """Whether it is this token."""
        return self._value == value

    def masked(self, text: bytes, *, refusal: bool) -> bytes:
        """What a service said, without the token: it may repeat what it was sent, and we write down what it said.

        That holds for good answers too, since no file may hold the token, and nothing else in an output looks like
        it. A token that is too short to be told from ordinary words is masked in refusals alone, after `Bearer`.
        """
        if len(self._value) < LEAST_SECRET:
            return text.replace(self.header.encode(), b"Bearer " + MASK) if refusal else text
        if self._core not in text:
            return text
        spellings: re.Pattern[bytes] = self._spellings
        return spellings.sub(MASK, text)

    @cached_property
    def _core(self) -> bytes:
        """A part of it that is spelled one way only, to look for first: that is fast."""
        return max(re.findall(r"[A-Za-z0-9]*", self._value), key=len).encode()

    @cached_property
    def _spellings(self) -> re.Pattern[bytes]:
        """The token, also as JSON or an address may spell it: `/` as `\\/`, `+` as `\\u002b` or `%2B`."""
        return re.compile("".join(map(_spellings_of, self._value)).encode())


def _spellings_of(character: str) -> str:
    if character.isalnum():
        return character
    code = f"{ord(character):02x}"
    either_case = "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in code)
    return rf"(?:\\?{re.escape(character)}|\\u00{either_case}|%{either_case})"
