"""The metadata in our own Parquet files: the columns that we added, and the input columns that we renamed for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa

PREFIX = "input."

_KEY = b"batchrun"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class RestoredTypes:
    """How to read columns of our files so that the same values are sent again.

    `kinds`: the `--type` of text columns that were sent as another type. `absent`: columns in which null means that the
    row did not have them.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ResultsFooter:
    """`added`: the columns that we added. `renamed`: the input's names of renamed columns, by their names in the file.

    `restore` uses the names of the input.
    """

    added: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)
    restore: RestoredTypes = field(default_factory=RestoredTypes)

    @classmethod
    def of(cls, schema: pa.Schema) -> "ResultsFooter":
        """The footer of a file; empty for a file that batchrun did not write."""
        try:
            footer = msgspec.json.decode((schema.metadata or {})[_KEY], type=_Footer)
        except (KeyError, msgspec.DecodeError):
            return cls()
        return cls(frozenset(footer.added), footer.renamed, RestoredTypes(footer.kinds, frozenset(footer.absent)))

    def write_to(self, schema: pa.Schema) -> pa.Schema:
        """The schema with the footer as its only metadata."""
        added = [name for name in schema.names if name in self.added]
        restore = self.restore
        footer = _Footer(added, dict(self.renamed), _VERSION, dict(restore.kinds), sorted(restore.absent))
        return schema.with_metadata({_KEY: msgspec.json.encode(footer)})


def new_names(columns: Sequence[str], own_names: frozenset[str]) -> dict[str, str]:
    """The name of every input column in our files, by its name in the input."""
    taken, names = own_names | set(columns), {}
    for column in columns:
        name = column
        while column in own_names and name in taken:
            name = PREFIX + name
        names[column] = name
    return names


class _Footer(msgspec.Struct):
    added: list[str] = msgspec.field(name="ours")
    renamed: dict[str, str]
    version: int
    kinds: dict[str, str] = {}
    absent: list[str] = []
