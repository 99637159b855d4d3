"""A token that is shown nowhere but in the header of a request."""

from weakref import WeakSet

from multidict import CIMultiDict

from batchrun.adapters.credentials.escapes import Spellings
from batchrun.adapters.credentials.masking import MASK, Masking
from batchrun.dialects.base import TokenHeaders, bearer

MIN_MASKED_CHARACTERS = 12
"""Characters of a token that is masked everywhere. A shorter one (`test`, `x`) also occurs in ordinary text."""

MAX_EARLIER = 4
"""Tokens before the present one that are masked."""

_known: "WeakSet[Secret]" = WeakSet()
"""The tokens of this process."""


class Secret:
    """A token's value. Its `repr` and `str` do not show it."""

    def __init__(self, value: str, headers: TokenHeaders = bearer, earlier: "Secret | None" = None) -> None:
        """`earlier`: the token that this one replaces. Answers may still repeat it, so it is masked too."""
        self._value = value
        self._headers = headers
        self._masking = None if len(value) < MIN_MASKED_CHARACTERS else Masking(value)
        self._earlier: tuple[Secret, ...] = () if earlier is None else (earlier, *earlier._earlier)[:MAX_EARLIER]
        _known.add(self)

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled only for a worker (`batchrun.cluster`), where it is masked as well."""
        return Secret, (self._value, self._headers, next(iter(self._earlier), None))

    def headers(self, *, json: bool) -> CIMultiDict[str]:
        """The headers of a request with this token; `json`: whether it has a JSON body."""
        return CIMultiDict(self._headers(self._value), **({"Content-Type": "application/json"} if json else {}))

    def is_same(self, value: str) -> bool:
        """Whether `value` is this token."""
        return self._value == value

    def masked(self, text: bytes, *, refusal: bool) -> bytes:
        """Mask the token in a response, which may repeat the request and is written to files.

        It is masked in every form, see `Masking`. Successful responses are masked too, because no file may contain the
        token. A short token is masked only in refusals, and only in the form of its header.
        """
        for secret in (self, *self._earlier):
            text = secret._masked_alone(text, refusal=refusal)
        return text

    def _masked_alone(self, text: bytes, *, refusal: bool) -> bytes:
        if self._masking is not None:
            return self._masking.replace(text)
        sent, shown = self._headers(self._value), self._headers(MASK.decode())
        for name in sent if refusal else ():
            text = Spellings(sent[name]).replace(text, shown[name].encode())
        return text

    def masked_text(self, text: str, *, refusal: bool) -> str:
        """`masked` for text. What is no valid text stays visible as an escape."""
        return self.masked(text.encode("utf-8", "backslashreplace"), refusal=refusal).decode()


def without_tokens(message: str) -> str:
    """The message of an error that nobody has foreseen, without the tokens of this process."""
    for secret in _known:
        message = secret.masked_text(message, refusal=True)
    return message
