"""The input formats: how a file is recognised, and which function reads it.

To add a format, write a module that reads its files into a `Table` (`adapters.tables.base`), and add an entry to
`FORMATS`. Options, messages and the default run directory follow from the entry.
"""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Format:
    """One format of input files."""

    name: str
    suffixes: tuple[str, ...]
    """The file suffixes, the usual one first. Each suffix without its dot is also a name of the format."""
    opener: str
    """The function that opens a file, as `module:function`. The module is imported when the first file is opened."""
    is_text: bool = False
    """Whether `--encoding` applies, and whether the whole file may be compressed."""
    delimiter: str | None = None
    """The default of `--delimiter`; None if the format has no delimiter."""
    is_typed: bool = False
    """Whether each value states its type, so that `--type` is refused."""


_TABLES = "batchrun.adapters.tables"

FORMATS = {
    known.name: known
    for known in (
        Format("csv", (".csv",), f"{_TABLES}.delimited:open_delimited", is_text=True, delimiter=","),
        Format("tsv", (".tsv",), f"{_TABLES}.delimited:open_delimited", is_text=True, delimiter="\t"),
        Format("jsonl", (".jsonl", ".ndjson"), f"{_TABLES}.jsonl:open_jsonl", is_text=True, is_typed=True),
        Format("arrow", (".arrow", ".feather"), f"{_TABLES}.ipc:open_arrow"),
        Format("parquet", (".parquet",), f"{_TABLES}.parquet:open_parquet"),
    )
}
"""All formats by name."""

COMPRESSED = (".gz", ".zst")
"""Compression suffixes that may follow the suffix of a text format."""


def suffixes() -> tuple[str, ...]:
    """The suffixes of all formats."""
    return tuple(suffix for known in FORMATS.values() for suffix in known.suffixes)


def format_named(name: str) -> Format | None:
    """The format with this name; None if there is none."""
    return FORMATS.get(name) or _with_suffix(f".{name}")


def format_of(path: Path, named: str | None) -> Format | None:
    """The format of an input: the one that is named, or the one of its suffix (before any compression suffix).

    None if the format is unknown.
    """
    if named is not None:
        return format_named(named)
    name = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return _with_suffix(name.suffix.lower())


def _with_suffix(suffix: str) -> Format | None:
    return next((known for known in FORMATS.values() if suffix in known.suffixes), None)


def stem(path: Path) -> str:
    """The name of an input without known suffixes. For a glob: its name, or its folder's name, without wildcards.

    If nothing is left of either, the letters and digits in its brackets; else `input`.
    """
    name = path.name
    if name.lower().endswith(COMPRESSED):
        name = name[: name.rindex(".")]
    if name.lower().endswith(suffixes()):
        name = name[: name.rindex(".")]
    plain = re.sub(r"\[.*?\]|[*?]", "", name).strip("-_. ") if re.search(r"[*?\[]", name) else name
    if plain:
        return plain
    return stem(path.parent) if path.parent.name else re.sub(r"[^\w-]", "", name) or "input"
