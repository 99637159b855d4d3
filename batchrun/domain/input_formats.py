"""The formats of inputs, and what the name of a file says of them."""

import re
from pathlib import Path

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".parquet": "parquet",
}
"""Suffix of an input → its format."""

COMPRESSED = (".gz", ".zst")
"""Suffixes that text inputs may have behind their own."""


def stem(path: Path) -> str:
    """The name of an input without its known suffixes; of a glob, what is left of its name or its folder's."""
    name = path.name
    if name.lower().endswith(COMPRESSED):
        name = name[: name.rindex(".")]
    if name.lower().endswith(tuple(SUFFIXES)):
        name = name[: name.rindex(".")]
    name = re.sub(r"\[.*?\]|[*?]", "", name).strip("-_. ") if re.search(r"[*?\[]", name) else name
    return name or stem(path.parent) if path.name else "input"


def format_of(path: Path, named: str | None) -> str | None:
    """The format of an input: as named, or by its suffix before that of a compression; None of an unknown one."""
    if named is not None:
        return named
    name = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return SUFFIXES.get(name.suffix.lower())
