"""Finds a key that a JSON object has twice, with different values. Parsers disagree on which of the two counts."""

import re

import msgspec

from batchrun.dialects import raw_json
from batchrun.domain import lenient_json

_ESCAPED_LETTER = re.compile(rb"\\u00(?:[46][1-9a-fA-F]|[57][0-9aA]|5[fF])")
"""The needless escape of a letter or an underscore, which may hide a key."""


class UniqueKeys:
    """The keys that an object must not have twice with different values."""

    def __init__(self, *names: str) -> None:
        self._names = frozenset(names)
        self._find_all = re.compile(rb'"(?:%b)"' % "|".join(names).encode()).findall

    def repeated(self, body: bytes) -> str | None:
        """The first key that the object in `body` has twice with different values; None if there is none."""
        found = self._find_all(body)
        # The keys of nested objects are found as well, so most of these repetitions prove nothing.
        is_suspect = len(found) != len(set(found)) and _is_repeated(set(found), body)
        if not is_suspect and not (b"\\u00" in body and _ESCAPED_LETTER.search(body)):
            return None
        seen = dict[str, bytes]()
        for name, text in lenient_json.split(body) or ():
            if name in self._names and not _are_equal(seen.setdefault(name, text), text):
                return name
        return None


def _is_repeated(keys: set[bytes], body: bytes) -> bool:
    """Whether one of the keys has several occurrences outside the values."""
    values = [bytes(raw) for raw in (raw_json.members(body) or {}).values()]
    return any(body.count(key) - sum(value.count(key) for value in values) > 1 for key in keys)


def _are_equal(a: bytes, b: bytes) -> bool:
    return a == b or raw_json.value(msgspec.Raw(a)) == raw_json.value(msgspec.Raw(b))
