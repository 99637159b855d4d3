"""Compares the inputs that an answer echoes with those that were sent.

A service may convert inputs before it echoes them: text to numbers and booleans or back, numbers to doubles, text to
JSON, and it may trim or cut what it shows. None of this makes two inputs different. Null on either side says nothing.
"""

import json
import re
from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal
from struct import Struct

import msgspec

from batchrun.domain.cells import ABSENT
from batchrun.domain.column_mapping import ColumnMapping

MIN_CUT = 16
"""Text that was cut short without a mark such as `…` is recognised if at least this many characters are left."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")
_CUT_MARK = re.compile(r"\s*(?:…|\.{3}|[\[(<]?(?:\.{3}|…)?\s*truncated.{0,40})$", re.IGNORECASE | re.DOTALL)
_BOOLEANS = {"true": {"true", "1", "t"}, "false": {"false", "0", "f"}}
_NULL = msgspec.Raw(b"null")
_decode = msgspec.json.Decoder().decode
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


def echoed_inputs(raw: msgspec.Raw | None) -> Mapping[str, object]:
    """The inputs in an echo: a JSON object, or text that contains one. Empty if there is nothing to compare."""
    value = _value(bytes(raw)) if raw else None
    if isinstance(value, str):
        value = _value(value.encode("utf-8", "surrogatepass"))
    return value if isinstance(value, dict) else {}


def _value(text: bytes) -> object:
    try:
        return _decode(text)
    except _UNREADABLE:
        pass
    try:
        return json.loads(text.decode("utf-8", "surrogateescape"), strict=False)
    except _UNREADABLE:
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
    return normal(_value(bytes(value))) if isinstance(value, msgspec.Raw) else _json_text(value)


def agrees(sent: object, echoed: object) -> bool:
    """Whether `echoed` may be the echo of `sent`."""
    if isinstance(sent, msgspec.Raw):  # a cell that is JSON
        sent = _value(bytes(sent))
    if sent is None or echoed is None:
        return True
    a, b = normal(sent), normal(echoed)
    if a == b:
        return True
    if isinstance(a, int | Decimal) and isinstance(b, int | Decimal):
        return _is_rounded(a, b)
    if any(str(a).lower() in words and str(b).lower() in words for words in _BOOLEANS.values()):
        return isinstance(sent, bool) or isinstance(echoed, bool)
    return _structures_agree(sent, echoed) or (isinstance(echoed, str) and _is_cut(_text(sent), echoed.strip()))


def _is_rounded(sent: int | Decimal, echoed: int | Decimal) -> bool:
    """Whether `echoed` is `sent` as a double. Integers that differ only in the last digits are different otherwise."""
    try:
        double = float(sent)
        return echoed in {Decimal(repr(double)), Decimal(double)}
    except OverflowError:
        return False


def _structures_agree(sent: object, echoed: object) -> bool:
    a, b = _structure(sent), _structure(echoed)
    if isinstance(a, dict) and isinstance(b, dict):
        return all(agrees(value, b[name]) for name, value in a.items() if name in b)
    if isinstance(a, list) and isinstance(b, list):
        return len(b) <= len(a) and all(map(agrees, a, b))
    return False


def _structure(value: object) -> object:
    """An object or a list, also from its JSON text or a tuple."""
    if isinstance(value, str):
        return _value(value.encode("utf-8", "surrogatepass")) if value.lstrip()[:1] in {"{", "["} else None
    return list(value) if isinstance(value, tuple) else value


def _is_cut(sent: str, echoed: str) -> bool:
    """Whether the echo shows only the beginning of the text."""
    mark = _CUT_MARK.search(echoed)
    beginning = (echoed[: mark.start()] if mark else echoed).rstrip("\ufffd")
    return len(beginning) >= (1 if mark else MIN_CUT) and sent.startswith(beginning)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else _json_text(value)


def _json_text(value: object) -> str:
    try:
        return msgspec.json.encode(value, order="sorted").decode()
    except _UNREADABLE:
        return repr(value)


class InputDigests:
    """Digests of the inputs of rows: 8 bytes for all, and 4 for each column. They tell quickly that an echo agrees.

    They are valid within one process. Inputs that are files say nothing, because a reference is sent instead.
    """

    def __init__(self, mapping: ColumnMapping) -> None:
        self._sent = tuple(mapping.sent)
        self._files = mapping.files
        self._names = (*self._sent, *mapping.constants)
        self._constants = tuple(mapping.constants.values())
        self._constant_digests = tuple(map(_digest, self._constants))
        self._struct = Struct(f"=q{len(self._sent)}I")

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
                (agreed if _hash(value) == sent else others).append(name)
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
    return 0 if value is None or value is ABSENT or value == _NULL else _hash(value)


def _hash(value: object) -> int:
    """A hash that is not 0."""
    form = normal(value)
    if isinstance(form, str):
        return hash(form) & 0xFFFFFFFF or 1
    return hash((form, form == -1)) & 0xFFFFFFFF or 1  # Python gives -1 the hash of -2
