"""The footer in our own Parquet files: which columns we added, and which of the input we renamed to make room."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa

PREFIX = "input."

_KEY = b"batchrun"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class RestoredTypes:
    """What makes of columns in our files again what was sent.

    `kinds`: columns of text that were sent as something else, and as which `--type`; `absent`: columns whose null
    means that the row did not have them.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ResultsFooter:
    """`added` are our columns; `renamed` maps names in the file to those that the columns had in the input.

    `restore` goes by the names of the input.
    """

    added: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    restore: RestoredTypes = field(default_factory=RestoredTypes)

    @classmethod
    def of(cls, schema: pa.Schema) -> "ResultsFooter":
        """What the file says; of a file that is not ours, nothing."""
        try:
            footer = msgspec.json.decode((schema.metadata or {})[_KEY], type=_Footer)
        except (KeyError, msgspec.DecodeError):
            return cls()
        return cls(frozenset(footer.ours), footer.renamed, RestoredTypes(footer.kinds, frozenset(footer.absent)))

    def write_to(self, schema: pa.Schema) -> pa.Schema:
        """The schema with the footer in its metadata, and with nothing else that the input's may have carried."""
        ours = [name for name in schema.names if name in self.added]
        restore = self.restore
        footer = _Footer(ours, dict(self.renamed), _VERSION, dict(restore.kinds), sorted(restore.absent))
        return schema.with_metadata({_KEY: msgspec.json.encode(footer)})


def new_names(columns: Sequence[str], ours: frozenset[str]) -> dict[str, str]:
    """Name in the input → name in our files, for every column."""
    taken, names = ours | set(columns), {}
    for column in columns:
        name = column
        while column in ours and name in taken:
            name = PREFIX + name
        names[column] = name
    return names


class _Footer(msgspec.Struct):
    ours: list[str]
    renamed: dict[str, str]
    version: int
    kinds: dict[str, str] = {}
    absent: list[str] = []
