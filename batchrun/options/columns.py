"""The options that say how the input is read, and which columns are sent under which names."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
from pydantic import Field, field_validator

from batchrun.domain.input_formats import FORMATS, format_named
from batchrun.options.sweep import SweepOptions
from batchrun.options.types import ColumnType, File, join_alternatives
from batchrun.options.validation import Conflict, json_problem

with warnings.catch_warnings():
    # The field replaces a deprecated method of pydantic, which pydantic warns about.
    warnings.filterwarnings("ignore", 'Field name "schema"', UserWarning)

    class _SchemaOption(SweepOptions):
        schema: File | None = Field(  # type: ignore[assignment]  # replaces a deprecated method
            default=None,
            description="JSON Schema of the inputs: every row is checked before the first POST [default: none]",
        )


class ColumnOptions(_SchemaOption):
    """The format of the input, and the mapping of its columns to the inputs of the workflow."""

    format: str | None = Field(default=None, description="Format of the input [default: by its suffix]")
    encoding: str = Field(default="utf-8", description="Encoding of text inputs")
    delimiter: str | None = Field(default=None, description="Delimiter of text inputs [default: by the format]")
    param: dict[str, str] = Field(
        default={},
        description="Send COLUMN as the input NAME; columns without a --param are not sent "
        "[default: each column under its own name]",
    )
    rename: dict[str, str] = Field(
        default={}, description="Send COLUMN as the input NAME, and every other column under its own name"
    )
    skip: list[str] = Field(default=[], description="Do not send this column")
    const: dict[str, Any] = Field(
        default={}, description="The same input for every row; VALUE is JSON if it parses as JSON, else text"
    )
    type: dict[str, ColumnType] = Field(
        default={},
        description="Read a column of text as str, int, float, bool or json; an empty cell is then null [default: str]",
    )
    key: str | None = Field(
        default=None, description="A column whose values identify rows; must be unique and not null [default: none]"
    )
    file: list[str] = Field(
        default=[],
        description="A column with paths of local files: each file is uploaded once, and its reference is sent",
    )
    file_root: File | None = Field(
        default=None, description="The folder of the files; files outside it are refused [default: that of the input]"
    )

    @field_validator("format", mode="before")
    @classmethod
    def _format(cls, value: object) -> object:
        if value is None:
            return None
        if (input_format := format_named(str(value))) is None:
            raise ValueError(f"expected {join_alternatives(FORMATS)}")
        return input_format.name

    @field_validator("const", mode="before")
    @classmethod
    def _const_of_text(cls, value: object) -> object:
        # TOML has no null, so constants may also be given as the text of a JSON object.
        with suppress(msgspec.MsgspecError, UnicodeError):
            return msgspec.json.decode(value) if isinstance(value, str) else value
        return value

    @field_validator("const")
    @classmethod
    def _const(cls, value: dict[str, Any]) -> dict[str, Any]:
        problems = [f"{name}: {reason}" for name, item in value.items() if (reason := json_problem(item))]
        if problems:
            raise ValueError("; ".join(problems))
        return value

    @field_validator("delimiter")
    @classmethod
    def _delimiter(cls, value: str | None) -> str | None:
        value = {"\\t": "\t", "tab": "\t"}.get(value or "", value)
        if value is not None and (len(value) != 1 or value in '"\r\n'):
            raise ValueError("expected one character")
        return value

    @property
    def unsent_targets(self) -> tuple[str, ...]:
        """The columns that are only there for scorers to compare with, and are not sent."""
        if self.param:
            return ()
        return tuple(column for column in self.target_columns if column not in {self.key, *self.rename.values()})

    def column_conflicts(self, name: Callable[[str], str]) -> Iterator[Conflict]:
        """Options that contradict each other."""
        yield from self.sweep_conflicts(name, {"param": self.param, "rename": self.rename, "const": self.const})
        if self.param and self.rename:
            text = f"{name('param')} sends only the columns that it names, {name('rename')} all; use one of them"
            yield Conflict(("param", "rename"), text)
        for option, sent in {"param": self.param, "rename": self.rename}.items():
            for column in self.skip:
                if column in sent.values():
                    text = f"{name('skip')} {column}: the column is also sent by {name(option)}; leave one of them out"
                    yield Conflict(("skip", option), text)
            for constant in self.const:
                if constant in sent:
                    text = f"{name('const')} {constant}: the input is also sent from a column by {name(option)}"
                    yield Conflict(("const", option), f"{text}; leave one of them out")
