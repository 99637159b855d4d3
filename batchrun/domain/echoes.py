"""The inputs that an answer echoes, and digests that tell quickly that they are those that were sent.

A service may convert inputs before it echoes them: text to numbers or back, and it may trim text. `domain.agreement`
knows more of what it may do. Null on either side says nothing.
"""

import json
import re
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal
from struct import Struct

import msgspec

from batchrun.domain import lenient_json
from batchrun.domain.cells import ABSENT
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.nesting import MAX_COMPARED, bounded

MAX_REMEMBERED = 2048
"""Rows whose inputs are remembered, to notice that an answer echoes those of another row."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")
_BOOLEANS = {"true", "false"}
_DIGEST = Struct("=I")
_NULL = msgspec.Raw(b"null")
_decode = bounded(msgspec.json.Decoder().decode, MAX_COMPARED)
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


def echoed_inputs(raw: msgspec.Raw | None) -> Mapping[str, object]:
    """The inputs in an echo: a JSON object, or text that contains one. Empty if there is nothing to compare.

    Raises `ValueError` if they are nested too deeply.
    """
    value = _members(bytes(raw)) if raw else None
    if isinstance(value, str):
        value = _members(value.encode("utf-8", "surrogatepass"))
    return value if isinstance(value, dict) else {}


def _members(text: bytes) -> object:
    value = json_value(text)
    if isinstance(value, str) and text.lstrip()[:1] == b"{":  # it is nested too deeply
        if (pairs := lenient_json.split(text)) is None:
            raise ValueError("they are nested too deeply")
        return {name: json_value(member) for name, member in pairs}
    return value


def json_value(text: bytes) -> object:
    """The value of JSON text; None if it is none. What is nested too deeply to be read is its text."""
    try:
        return _decode(text)
    except RecursionError:
        return "".join(text.decode("utf-8", "surrogateescape").split())
    except ValueError:
        pass
    try:
        return json.loads(text.decode("utf-8", "surrogateescape"), strict=False)
    except ValueError:
        return None  # for example, it was cut short


def normal(value: object) -> Hashable:
    """A form that is equal for values that differ only by a conversion: between text and numbers, or by trimming."""
    if isinstance(value, str):
        text = value.strip()
        if text < ":" and _NUMBER.fullmatch(text):  # the digits and signs are below
            return int(text) if text.isdecimal() else Decimal(text)
        return text.lower() if 4 <= len(text) <= 5 and text.lower() in _BOOLEANS else text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return Decimal(repr(value))
    if value is None or isinstance(value, int):
        return value
    return normal(json_value(bytes(value))) if isinstance(value, msgspec.Raw) else _json_text(value)


def _json_text(value: object) -> str:
    try:
        return msgspec.json.encode(value, order="sorted").decode()
    except _UNREADABLE:
        return repr(value)


class InputDigests:
    """Digests of the inputs of rows: 8 bytes for all, and 4 for each column. They tell quickly that an echo agrees.

    They are valid within one process. Inputs that are files say nothing, because a reference is sent instead.
    """

    # The digests of the rows that were sent last also tell that an echo is the input of one of them.

    def __init__(self, mapping: ColumnMapping) -> None:
        self._sent = tuple(mapping.sent)
        self._files = mapping.files
        self._names = (*self._sent, *mapping.constants)
        self._constants = tuple(mapping.constants.values())
        self._constant_digests = tuple(map(_digest, self._constants))
        self._struct = Struct(f"=q{len(self._sent)}I")
        self._places = {name: 8 + 4 * number for number, name in enumerate(self._sent)}
        self._remembered = deque[tuple[int, bytes]](maxlen=MAX_REMEMBERED)

    def remember(self, row: int, values: Sequence[object]) -> bytes:
        """The digest of a row, which is remembered."""
        digest = self.of(values)
        self._remembered.append((row, digest))
        return digest

    def is_of_another(self, row: int, name: str, value: object) -> bool:
        """Whether `value`, or a number or text that stands for the same, was sent for this name in another row alone.

        Only the rows that are remembered count.
        """
        begin = self._places.get(name)
        if begin is None:
            return False  # a constant
        end, wanted = begin + 4, _DIGEST.pack(hash_of(value))
        rows = {other for other, digest in self._remembered if digest[begin:end] == wanted}
        return bool(rows) and row not in rows

    def of(self, values: Sequence[object]) -> bytes:
        """The digest of a row. `values` are those of the mapped columns."""
        if self._files:
            values = [None if name in self._files else value for name, value in zip(self._sent, values, strict=True)]
        return self._struct.pack(_hash_of_all((*values, *self._constants)), *map(_digest, values))

    def compare(self, digest: bytes, echoed: Mapping[str, object]) -> tuple[Sequence[str], Sequence[str]]:
        """The names for which the echo certainly agrees, and those for which it may differ.

        A name that is null says nothing. It is among those that agree if the whole echo is exactly what was sent.
        """
        same, *digests = self._struct.unpack(digest)
        if same and same == _hash_of_all(tuple(map(echoed.get, self._names))):
            return self._names, ()
        agreed, others = list[str](), list[str]()
        for name, sent in zip(self._names, (*digests, *self._constant_digests), strict=True):
            value = echoed.get(name)
            if value is not None and sent:
                (agreed if hash_of(value) == sent else others).append(name)
        return agreed, others


def _hash_of_all(values: tuple[object, ...]) -> int:
    """A hash of the values without any conversion; 0 if there is none.

    There is none for 0 and -2, because Python gives them the hashes of empty text and of -1.
    """
    try:
        return 0 if 0 in values or -2 in values else hash(values)
    except TypeError:  # a list or an object
        return 0


def _digest(value: object) -> int:
    """The hash of an input; 0 if it is null or not sent, which says nothing."""
    return 0 if value is None or value is ABSENT or value == _NULL else hash_of(value)


def hash_of(value: object) -> int:
    """A hash that is not 0."""
    form = normal(value)
    if isinstance(form, str):
        return hash(form) & 0xFFFFFFFF or 1
    return hash((form, form == -1)) & 0xFFFFFFFF or 1  # Python gives -1 the hash of -2
