"""The options of a sweep: variants, repeats, and a sample of the rows."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator

from batchrun.domain.sweep import (
    PLAIN,
    WORKFLOW_ID,
    WORKFLOW_VERSION,
    Sweep,
    Variant,
    grid,
    repeated_names,
    varied_values,
)
from batchrun.errors import InputError
from batchrun.options.types import Count
from batchrun.options.validation import Conflict, json_problem

if TYPE_CHECKING:
    from batchrun.scoring.specs import ScorerSpec


class VariantTable(BaseModel):
    """A `[[variant]]` of the job file."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Field(min_length=1)
    const: dict[str, Any] = {}
    workflow_id: str | None = Field(default=None, alias="workflow-id", min_length=1)
    workflow_version: str | None = Field(default=None, alias="workflow-version", min_length=1)

    @field_validator("const")
    @classmethod
    def _const(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _sendable(value)


class SweepOptions(BaseModel):
    """The options of a job that make it a sweep."""

    vary: dict[str, list[Any]] = Field(
        default={},
        description="A sweep: the input NAME takes each of these values; several --vary make the grid of all "
        "combinations. workflow-id and workflow-version vary those",
    )
    variant: list[VariantTable] | None = Field(
        default=None, description="In the job file alone: named variants with const, workflow-id and workflow-version"
    )
    repeat: Count | None = Field(
        default=None, description="Send each row this many times, under each variant [default: 1]"
    )
    sample: Count | None = Field(
        default=None, description="Only N rows, drawn by --seed, the same in every session [default: all]"
    )

    score: dict[str, Any] = Field(
        default={},
        description="A scorer: EXPR, a JMESPath expression on the output, is compared with TARGET: a column of the "
        "input, which is not sent, 'text' or a number; see batchrun score --help",
    )
    cluster: str | None = Field(
        default=None,
        description="Rows with the same value in this column count as one group in intervals and tests [default: none]",
    )

    @field_validator("score")
    @classmethod
    def _score(cls, value: dict[str, Any]) -> dict[str, Any]:
        from batchrun.scoring.specs import absolute, parse_score, parse_score_table  # noqa: PLC0415 - few jobs have some

        tables, problems = dict[str, Any](), list[str]()
        for name, given in value.items():
            try:
                if isinstance(given, str):
                    spec = parse_score(f"{name}={given}")
                elif isinstance(given, Mapping):
                    spec = parse_score_table(name, given)
                else:
                    raise InputError(f"[score.{name}]: expected a table with kind, output and expected")
                tables[name] = absolute(spec, Path.cwd()).as_table()
            except InputError as error:
                problems += [problem.removeprefix("--score ") for problem in error.problems]
        if problems:
            raise ValueError("\n".join(problems))
        return tables

    @property
    def scorers(self) -> "tuple[ScorerSpec, ...]":
        """The scorers, in their order."""
        if not self.score:
            return ()
        from batchrun.scoring.specs import parse_score_table  # noqa: PLC0415 - likewise

        return tuple(parse_score_table(name, table) for name, table in self.score.items())

    @property
    def target_columns(self) -> tuple[str, ...]:
        """The columns of the input that scorers compare with."""
        return tuple(dict.fromkeys(column for scorer in self.scorers for column in scorer.target_columns))

    @property
    def scoring_files(self) -> list[tuple[str, Path]]:
        """The files of Python that scorers need, each after the option that names it."""
        return [(f"--score {one.name}", Path(one.python_file)) for one in self.scorers if one.python_file is not None]

    @property
    def scoring_columns(self) -> list[tuple[str, str]]:
        """The columns that scorers and intervals need, each after the option that names it."""
        named = [(f"--score {one.name}", column) for one in self.scorers for column in one.target_columns]
        return named if self.cluster is None else [*named, (f"--cluster {self.cluster}", self.cluster)]

    @field_validator("vary", mode="before")
    @classmethod
    def _vary_of_text(cls, value: object) -> object:
        value = _json_of_text(value)
        if not isinstance(value, Mapping):
            return value
        values = {}
        for name, given in value.items():
            try:
                values[name] = varied_values(given) if isinstance(given, str) else given
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return values

    @field_validator("vary")
    @classmethod
    def _vary(cls, value: dict[str, list[Any]]) -> dict[str, list[Any]]:
        if empty := [name for name, values in value.items() if not values]:
            raise ValueError(f"{empty[0]}: holds no values")
        for name in {WORKFLOW_ID, WORKFLOW_VERSION} & value.keys():
            if not all(isinstance(one, str | int) and str(one).strip() for one in value[name]):
                raise ValueError(f"{name}: expected text")
        return _sendable(value)

    @field_validator("variant", mode="before")
    @classmethod
    def _variant_of_text(cls, value: object) -> object:
        return _json_of_text(value)

    @property
    def sweep(self) -> Sweep:
        """The variants and repeats of each input row."""
        variants = grid(self.vary) if self.vary else tuple(_variant(table) for table in self.variant or ())
        if not variants and (self.repeat or 1) == 1:
            return PLAIN
        return Sweep(variants or (Variant(),), self.repeat or 1, is_plain=False)

    def sweep_conflicts(
        self, name: Callable[[str], str], others: Mapping[str, Mapping[str, object]]
    ) -> Iterator[Conflict]:
        """Options that contradict each other. `others`: the options that also name inputs, and their values."""
        if self.vary and self.variant:
            yield Conflict(("vary", "variant"), f"{name('vary')} and {name('variant')} exclude each other; use one")
        sweep = self.sweep
        for repeated in repeated_names(sweep.variants):
            text = f"two variants are named {repeated!r}; give each a name and values of its own"
            yield Conflict(("vary", "variant"), f"{name('vary' if self.vary else 'variant')}: {text}")
        for field, values in others.items():
            for taken in [varied for varied in self.vary if varied in values]:
                text = f"{name('vary')} {taken}: the input is also given by {name(field)}; leave one of them out"
                yield Conflict(("vary", field), text)


def first_workflow(values: Mapping[str, Any]) -> object:
    """The workflow of the first variant, for a job that names none otherwise; None if it has none either."""
    vary, variants = (_json_of_text(values.get(name)) for name in ("vary", "variant"))
    found: object = None
    if isinstance(vary, Mapping) and WORKFLOW_ID in vary:
        found = vary[WORKFLOW_ID]
        with suppress(ValueError):  # a mistake in the values is reported elsewhere
            found = varied_values(found) if isinstance(found, str) else found
        found = found[0] if isinstance(found, list) and found else None
    elif isinstance(variants, list) and variants:
        first = variants[0]
        found = first.get(WORKFLOW_ID, first.get("workflow_id")) if isinstance(first, Mapping) else None
    return None if found is None else str(found)


def _json_of_text(value: object) -> object:
    """The value of text that is JSON, which stands for a table that holds a null: TOML has none."""
    with suppress(msgspec.MsgspecError, UnicodeError):
        return msgspec.json.decode(value) if isinstance(value, str) else value
    return value


def _variant(table: VariantTable) -> Variant:
    return Variant(table.name, table.const, table.workflow_id, table.workflow_version)


def _sendable(value: dict[str, Any]) -> dict[str, Any]:
    problems = [f"{name}: {reason}" for name, item in value.items() if (reason := json_problem(item))]
    if problems:
        raise ValueError("; ".join(problems))
    return value
