"""What a job reads, and which workflow it sends that to."""

import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from pydantic import BaseModel, Field, field_validator

from batchrun.domain.input_formats import FORMATS
from batchrun.errors import InputError
from batchrun.options.types import File, join_alternatives


class SourceOptions(BaseModel):
    """The input, the workflow, and the run directory."""

    input: File = Field(description=f"The rows: {join_alternatives(entry.suffixes[0] for entry in FORMATS.values())}")
    workflow_id: str = Field(min_length=1, description="The workflow that every row is sent to [required]")
    out: File | None = Field(
        default=None,
        description="The run directory [default: the input's name with -run, or -simulated, in the working directory]",
    )

    @field_validator("input", mode="before")
    @classmethod
    def _input(cls, value: object) -> object:
        text = str(value)
        if text == "-":
            raise ValueError("standard input cannot be read, because rows are read more than once; save them to a file")
        if re.match(r"[a-z][a-z0-9+.-]+:/", text) and isinstance(value, str | Path):
            raise ValueError("an address cannot be read; download the file first")
        if text.endswith(".toml"):
            raise ValueError(f"a job file is given with -c: batchrun run -c {text}")
        return value

    @field_validator("workflow_id")
    @classmethod
    def _workflow_id(cls, value: str) -> str:
        value = value.strip()
        page = re.search(r"[?&]workflow_id=([^&#\s]+)", value)
        value = page[1] if page is not None and "://" in value else value
        if not value:
            raise ValueError("is empty")
        if "://" in value:
            raise ValueError("is an address without workflow_id=ID; give the ID")
        if re.search(r"\s", value):
            raise ValueError("holds a blank; give the ID alone")
        return value


def refuse_unusable_rows(rows: object, out: object) -> None:
    """Raise `InputError` if `rows` cannot be rows in memory, or if there is no name for their file."""
    name = type(rows).__name__
    if isinstance(rows, bytes | int | float | set | frozenset) or callable(rows):
        expected = "expected a path, a DataFrame, an Arrow table or a list of dicts"
        raise InputError(f"input: a value of type {name} cannot be read as a table; {expected}")
    if name == "Series":
        raise InputError("input: a Series is one column; make a table of it with input=series.to_frame()")
    if isinstance(rows, Iterator | tuple):
        raise InputError(f"input: expected a list of dicts (got a {name}); use input=list(…)")
    if not isinstance(out, str | PathLike) or not str(out).strip():
        raise InputError("out: name the run directory, because rows in memory have no name of their own")


def path_beside(out: Path, rows: object) -> Path:
    """The file for rows in memory: beside the run directory, so that `fresh` does not set it aside."""
    return out.with_name(f"{out.name}-input.{'jsonl' if isinstance(rows, list) else 'parquet'}")
