"""`--select` and `--flatten`: columns of `outputs.parquet` whose values are taken out of the outputs.

Two passes over the outputs: the first finds what is there and agrees on one type for each column, the second takes
the values out. Where a row has nothing to take (an expression that its output does not suit, an output that is not
JSON), its value is null: what one row sent back must not cost the others their file.
"""

import json
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from batchrun.adapters.tables.inference import arrow_type
from batchrun.domain.column_type import ColumnType, CommonType
from batchrun.errors import InputError

if TYPE_CHECKING:
    from batchrun.adapters.results.expressions import Search

log = logging.getLogger("batchrun")

MOST_KEYS = 1000
"""Most columns that `--flatten` makes: keys that are data (ids, dates) would make one for every row."""

PREFIX = "output."
"""Makes room for a key whose name is taken."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns whose types are agreed."""

    fields: tuple[pa.Field, ...] = ()
    searches: "tuple[Search, ...]" = ()
    keys: tuple[str, ...] = ()
    as_text: tuple[int, ...] = ()
    """The places of those that are written as JSON text."""

    def values(self, output: str | None) -> tuple[object, ...]:
        """The values of one output, in the order of the fields."""
        if not self.fields or output is None:
            return (None,) * len(self.fields)
        document = _decoded(output)
        values = [search(document) for search in self.searches]
        values += map(document.get, self.keys) if isinstance(document, dict) else [None] * len(self.keys)
        for place in self.as_text:
            values[place] = _json_text(values[place])
        return tuple(values)


NOTHING = Columns()
"""No selections at all."""


@dataclass(frozen=True, slots=True)
class Selections:
    """What is to be taken out of every output. `taken` are the names that no column may have."""

    searches: "Mapping[str, Search]"
    flatten: bool
    taken: frozenset[str]

    def agree(self, outputs: Iterable[str | None]) -> Columns:
        """The columns that hold whatever is in these outputs; they are read only if there is something to select."""
        if not self.searches and not self.flatten:
            return NOTHING
        selected = [(search, CommonType()) for search in self.searches.values()]
        keys: dict[str, CommonType] = {}
        full = False
        for output in outputs:
            document = _decoded(output)
            for search, agreement in selected:
                agreement.add(search(document))
            if self.flatten and isinstance(document, dict):
                full |= _see_keys(keys, document)
        if full:
            log.warning(
                "the outputs have more than %d keys: what is under the others stays in `output` alone", MOST_KEYS
            )
        types = [agreement.type for agreement in (*(agreement for _, agreement in selected), *keys.values())]
        names = [*self.searches, *_names(keys, self.taken | set(self.searches))]
        return Columns(
            fields=tuple(pa.field(name, arrow_type(kind)) for name, kind in zip(names, types, strict=True)),
            searches=tuple(self.searches.values()),
            keys=tuple(keys),
            as_text=tuple(place for place, kind in enumerate(types) if kind is ColumnType.JSON),
        )


def compile_selections(select: Mapping[str, str], *, flatten: bool, taken: Collection[str]) -> Selections:
    """Make ready what `--select` (name → expression) and `--flatten` ask for; `InputError` with every mistake."""
    if problems := mistakes(select, taken):
        raise InputError(*problems)
    searches: dict[str, Search] = {}
    if select:
        from batchrun.adapters.results.expressions import compiled  # noqa: PLC0415 - loaded only where something is selected

        searches = {name: compiled(text) for name, text in select.items()}
    return Selections(searches, flatten, frozenset(taken))


def mistakes(select: Mapping[str, str], taken: Collection[str]) -> list[str]:
    """What is wrong with `--select`, one line each: names that are no new ones, expressions that are none."""
    if not select:
        return []
    from batchrun.adapters.results.expressions import wrong_with  # noqa: PLC0415 - likewise

    problems = []
    for name, text in select.items():
        option = f"--select {name if name.isprintable() else ascii(name)}={text!r}"
        if not _is_text(name + text):
            problems.append(f"{option}: is not text in UTF-8")
            continue
        if not name:
            problems.append(f"{option}: the new column needs a name")
        elif name in taken:
            problems.append(f"{option}: there is a column {name!r} already. Choose another name")
        problems += [f"{option}: {why}" for why in wrong_with(text)]
    return problems


def _see_keys(keys: dict[str, CommonType], document: Mapping[str, object]) -> bool:
    """Whether there was a key beyond the most that there may be."""
    full = False
    for key, value in document.items():
        agreement = keys.get(key)
        if agreement is None:
            if len(keys) == MOST_KEYS:
                full = True
                continue
            agreement = keys[key] = CommonType()
        agreement.add(value)
    return full


def _names(keys: Iterable[str], taken: Collection[str]) -> list[str]:
    """A name for every key: its own, with a prefix while that is taken or empty."""
    names = dict.fromkeys(taken)
    for key in keys:
        name = key.encode("utf-8", "backslashreplace").decode()
        while not name or name in names:
            name = PREFIX + name
        names[name] = None
    return list(names)[len(taken) :]


# -- JSON, with every digit


_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def _decoded(output: str | None) -> Any:
    """What the output says; None where it is not JSON."""
    if output is None:
        return None
    try:
        try:
            return _decode(output)
        except (msgspec.MsgspecError, UnicodeError):
            # JSON it may be all the same: it sets no limit to numbers, and lets half a surrogate pair stand alone.
            return json.loads(output, parse_float=_number, parse_int=_number, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _number(literal: str) -> object:
    """The number; one that Python's do not hold stays as it is written."""
    try:
        return _decode(literal)
    except msgspec.MsgspecError:
        return msgspec.Raw(literal.encode())


def _refuse(literal: str) -> object:
    raise ValueError(f"{literal} is not JSON")


def _json_text(value: object) -> str | None:
    """The value as JSON text; None for null, and for what JMESPath gives that is no value (`&name`)."""
    if value is None:
        return None
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value, default=lambda number: bytes(number).decode())
    except (TypeError, ValueError, RecursionError):
        return None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
