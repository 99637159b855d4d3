"""`--select` and `--flatten`: columns of `outputs.parquet` with values extracted from the outputs.

Two passes read the outputs. The first finds the columns and a common type for each, the second extracts the values.
The value is null if a row's output is not JSON or has no value for an expression, so one unexpected output cannot
prevent the file from being written.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from batchrun.adapters.tables.inference import arrow_type
from batchrun.domain.column_type import ColumnType, CommonType
from batchrun.errors import InputError
from batchrun.outputs.json_values import decode_or_none, json_text

if TYPE_CHECKING:
    from batchrun.outputs.expressions import Search

log = logging.getLogger("batchrun")

MAX_FLATTEN_KEYS = 1000
"""Maximum number of columns of `--flatten`. Keys that are data (ids, dates) could otherwise make one for each row."""

PREFIX = "output."
"""Prefix for a key whose name is taken."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns with their final types."""

    fields: tuple[pa.Field, ...] = ()
    searches: "tuple[Search, ...]" = ()
    keys: tuple[str, ...] = ()
    as_text: tuple[int, ...] = ()
    """The positions of the columns that are written as JSON text."""

    @property
    def json_names(self) -> frozenset[str]:
        """The columns that are written as JSON text."""
        return frozenset(self.fields[place].name for place in self.as_text)

    def values(self, output: str | None) -> tuple[object, ...]:
        """The values of one output, in the order of the fields."""
        if not self.fields or output is None:
            return (None,) * len(self.fields)
        document = decode_or_none(output)
        values = [search(document) for search in self.searches]
        values += map(document.get, self.keys) if isinstance(document, dict) else [None] * len(self.keys)
        for place in self.as_text:
            values[place] = json_text(values[place])
        return tuple(values)


NO_COLUMNS = Columns()
"""Nothing is selected."""


@dataclass(frozen=True, slots=True)
class Selections:
    """What to extract from each output. `taken`: names that no column may have."""

    searches: "Mapping[str, Search]"
    flatten: bool
    taken: frozenset[str]

    def agree(self, outputs: Iterable[str | None]) -> Columns:
        """Find columns and types that fit these outputs. Reads the outputs only if something is selected."""
        if not self.searches and not self.flatten:
            return NO_COLUMNS
        selected = [(search, CommonType()) for search in self.searches.values()]
        keys: dict[str, CommonType] = {}
        too_many, documents = False, 0
        for output in outputs:
            documents += 1
            document = decode_or_none(output)
            for search, common_type in selected:
                common_type.add(search(document))
            if self.flatten and isinstance(document, dict):
                too_many |= _see_keys(keys, document)
        if too_many:
            log.warning(
                "the outputs have more than %d keys: what is under the others stays in `output` alone", MAX_FLATTEN_KEYS
            )
        for name, (_, common_type) in zip(self.searches, selected, strict=True):
            if documents and common_type.is_empty:
                log.warning("--select %s: is null in all %s outputs; is the expression right?", name, f"{documents:,}")
        types = [common_type.type for common_type in (*(common_type for _, common_type in selected), *keys.values())]
        names = [*self.searches, *_names(keys, self.taken | set(self.searches))]
        return Columns(
            fields=tuple(
                pa.field(name, arrow_type(column_type)) for name, column_type in zip(names, types, strict=True)
            ),
            searches=tuple(self.searches.values()),
            keys=tuple(keys),
            as_text=tuple(place for place, column_type in enumerate(types) if column_type is ColumnType.JSON),
        )


def compile_selections(select: Mapping[str, str], *, flatten: bool, taken: Collection[str]) -> Selections:
    """Compile `--select` (name → expression) and `--flatten`. Raises `InputError` with all problems."""
    if problems := mistakes(select, taken):
        raise InputError(*problems)
    searches: dict[str, Search] = {}
    if select:
        from batchrun.outputs.expressions import compiled  # noqa: PLC0415 - imported only if something is selected

        searches = {name: compiled(text) for name, text in select.items()}
    return Selections(searches, flatten, frozenset(taken))


def mistakes(select: Mapping[str, str], taken: Collection[str]) -> list[str]:
    """The problems with the names and expressions of `--select`, one line each."""
    if not select:
        return []
    from batchrun.outputs.expressions import wrong_with  # noqa: PLC0415 - likewise

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
    """Add the keys of an output and their values' types. Returns whether it had more keys than allowed."""
    too_many = False
    for key, value in document.items():
        common_type = keys.get(key)
        if common_type is None:
            if len(keys) == MAX_FLATTEN_KEYS:
                too_many = True
                continue
            common_type = keys[key] = CommonType()
        common_type.add(value)
    return too_many


def _names(keys: Iterable[str], taken: Collection[str]) -> list[str]:
    """A column name for every key: the key itself, with prefixes as long as it is taken or empty."""
    names = dict.fromkeys(taken)
    for key in keys:
        name = key.encode("utf-8", "backslashreplace").decode()
        while not name or name in names:
            name = PREFIX + name
        names[name] = None
    return list(names)[len(taken) :]


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
