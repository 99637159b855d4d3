"""The comparison of all variants by all scorers, as a command shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from batchrun.scoring.requirements import Verdict

if TYPE_CHECKING:
    from batchrun.scoring.comparison import Comparison


@dataclass(frozen=True, slots=True)
class RunFigures:
    """The completed runs of one variant: their number, and how long they took by the clock of the service.

    None: the service does not say.
    """

    completed: int
    p50_s: float | None
    p95_s: float | None
    total_tokens: int | None


@dataclass(frozen=True, slots=True)
class Side:
    """One run of an input row: of its repeats, the one that shows the flip best."""

    row: int
    run_id: str | None
    output: str | None
    score: float
    """Of this run."""
    mean: float
    """Of all repeats of the row that have a score."""
    repeats: int
    """How many these are."""


@dataclass(frozen=True, slots=True)
class Flip:
    """An input row that a variant does better or worse than the baseline. `label`: its key, or its number."""

    scorer: str
    variant: str
    better: bool
    label: str
    baseline_run: Side
    variant_run: Side


@dataclass(frozen=True, slots=True)
class Comparisons:
    """The comparison of all variants by each scorer.

    `variants`: their names in order; `baseline`: the one that the others are compared with. `by_scorer`: the figures of
    each scorer. `parts`: with `by`, the same for each value of that column. `verdicts`: of what is required. `notes`:
    what to know when reading the figures.
    """

    baseline: str
    variants: Sequence[str]
    by_scorer: "Mapping[str, Comparison]"
    parts: "Mapping[str, Comparisons]" = field(default_factory=dict)
    verdicts: Sequence[Verdict] = ()
    notes: Sequence[str] = ()
    runs: Mapping[str, "RunFigures"] = field(default_factory=dict)
    """By variant: of its completed runs."""
    flips: "Sequence[Flip]" = ()
    """The input rows whose score differs most from the baseline's, if asked for."""

    keys: Mapping[int, str] = field(default_factory=dict)
    """The keys of the input rows by the numbers that the comparisons use, if the jobs have `--key`."""

    def label(self, row: int) -> str:
        """An input row for people: its key, else its number."""
        return self.keys.get(row, f"row {row}")

    @property
    def requirements_met(self) -> bool:
        """Whether all that is required holds."""
        return all(verdict.met for verdict in self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain values, for JSON."""
        found: dict[str, Any] = {
            "baseline": self.baseline,
            "variants": {
                name: {scorer: one.figures[place].as_dict() for scorer, one in self.by_scorer.items()}
                for place, name in enumerate(self.variants)
            },
            "differences": {
                name: {
                    scorer: difference.as_dict()
                    for scorer, one in self.by_scorer.items()
                    if (difference := one.differences[place]) is not None
                }
                for place, name in enumerate(self.variants)
                if name != self.baseline
            },
        }
        if self.parts:
            found["by"] = {value: part.as_dict() for value, part in self.parts.items()}
        if self.verdicts:
            found["requirements"] = [
                {
                    "require": one.requirement.text,
                    "met": one.met,
                    "line": one.line,
                    "rows": {name: list(rows) for name, rows in one.rows.items()},
                }
                for one in self.verdicts
            ]
        if self.runs:
            found["runs"] = {name: asdict(one) for name, one in self.runs.items()}
        if self.flips:
            found["flips"] = [asdict(one) for one in self.flips]
        if self.notes:
            found["notes"] = list(self.notes)
        return found
