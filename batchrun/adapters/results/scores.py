"""`scores.parquet`: the scores of each row of a job, and which state of the checkpoint they are of."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from batchrun.adapters.files.atomic import replacing
from batchrun.adapters.results.writer import KEY_FIELD, PLACE_FIELDS, ROW_FIELD
from batchrun.domain.filenames import SCORES
from batchrun.errors import InputError

_INPUT_ROW, *_VARIANT = PLACE_FIELDS
_FIXED = (ROW_FIELD, _INPUT_ROW, KEY_FIELD, *_VARIANT)
_KEY = b"batchrun"
_REPEATED = [KEY_FIELD.name, _VARIANT[0].name]
"""The columns of texts that come many times: read as dictionaries, they take little memory."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a job. `changes`: how many changes of rows its checkpoint had when they were made."""

    table: pa.Table
    scorers: Sequence[str]
    changes: int


class _Footer(msgspec.Struct):
    changes: int
    scorers: list[str]


def write_scores(
    folder: Path, scorers: Sequence[str], rows: Iterable[Sequence[Sequence[object]]], changes: int
) -> None:
    """Write `scores.parquet` atomically. `rows`: in pieces, each a sequence of rows of all columns.

    Raises `StorageError` if it cannot be written.
    """
    footer = msgspec.json.encode(_Footer(changes, list(scorers)))
    schema = pa.schema([*_FIXED, *(pa.field(name, pa.float64()) for name in scorers)], {_KEY: footer})
    with (
        replacing(folder / SCORES, mode=0o666) as (file,),
        pq.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for piece in rows:
            columns = zip(*piece, strict=True) if piece else [()] * len(schema)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def read_scores(folder: Path) -> Scores | None:
    """Read `scores.parquet`; None if there is none. Raises `InputError` if it is not one of ours."""
    path = folder / SCORES
    try:
        table = pq.read_table(path, use_threads=False, read_dictionary=_REPEATED)
        footer = msgspec.json.decode((table.schema.metadata or {})[_KEY], type=_Footer)
        table = table.select([*(field.name for field in _FIXED), *footer.scorers])
    except FileNotFoundError:
        return None
    except (KeyError, msgspec.DecodeError, OSError, pa.ArrowException):
        raise InputError(f"{path}: cannot be read as scores; write it again with: batchrun score {folder}") from None
    return Scores(table, footer.scorers, footer.changes)


@contextmanager
def scores_file(folder: Path) -> Iterator[tuple[pq.ParquetFile, int] | None]:
    """Open `scores.parquet`, with the `changes` of its `Scores`; None if there is none, or it is not one of ours."""
    try:
        file = pq.ParquetFile(folder / SCORES, pre_buffer=False, buffer_size=1 << 20)
    except (OSError, pa.ArrowException):
        yield None
        return
    with file:
        try:
            changes = msgspec.json.decode((file.schema_arrow.metadata or {})[_KEY], type=_Footer).changes
        except (KeyError, msgspec.DecodeError):
            yield None
        else:
            yield file, changes


def counted(problems: Mapping[str, int]) -> Iterator[str]:
    """The problems of a scorer, the most frequent first."""
    for text, count in sorted(problems.items(), key=lambda one: -one[1])[:3]:
        yield f"{count:,} × {text}"
