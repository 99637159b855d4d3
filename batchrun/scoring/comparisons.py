"""The comparison of all variants by all scorers, as a command shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchrun.scoring.requirements import Verdict

if TYPE_CHECKING:
    from batchrun.scoring.comparison import Comparison


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
    keys: Sequence[str | None] = ()
    """The keys of the input rows, if the jobs have `--key`, by the numbers that the comparisons use."""

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
                {"require": one.requirement.text, "met": one.met, "line": one.line, "rows": dict(one.rows)}
                for one in self.verdicts
            ]
        if self.notes:
            found["notes"] = list(self.notes)
        return found
