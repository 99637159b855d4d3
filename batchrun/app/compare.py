"""Compares the variants of a sweep, or several jobs, by their scores. Nothing is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from batchrun.app.compared_runs import flips_of, runs_of
from batchrun.app.scored_jobs import ScoredJob, matched, refuse_without_common_key, scored_job
from batchrun.errors import InputError
from batchrun.scoring.comparisons import Comparisons
from batchrun.scoring.extra import refuse_missing_extra
from batchrun.scoring.requirements import evaluate, parse_requirement

if TYPE_CHECKING:
    from batchrun.scoring.comparison import Comparison


def compare(
    folder: Path | str,
    *others: Path | str,
    baseline: str | None = None,
    require: Sequence[str] = (),
    by: str | None = None,
    cluster: str | None = None,
    show: int = 0,
) -> Comparisons:
    """Compare the variants of the sweep in `folder`, or that job and the `others`, by their `scores.parquet`.

    `baseline`: the variant that the others are compared with [default: the first]. `require`: what has to hold, such as
    "right>=0.8" (see `batchrun compare --help`). `by`: a column of the input by whose values all figures are split.
    `cluster`: a column whose equal values belong together. `show`: how many of the rows that flipped to return, for
    each variant. Several jobs are matched by key, or by row if their inputs are the same. Needs the extra `sweep`.
    Raises `InputError` and `StorageError`.

        comparison = batchrun.compare("sweep-run", require=["no-worse right"])
        print(comparison.as_dict()["differences"])
    """
    refuse_missing_extra()
    requirements = [parse_requirement(text) for text in require]
    folders = [Path(folder), *map(Path, others)]
    if repeated := {str(path) for path in folders if folders.count(path) > 1}:
        raise InputError(f"compare: {', '.join(sorted(repeated))} is named twice")
    jobs = [scored_job(path, alone=not others, by=by, cluster=cluster) for path in folders]
    refuse_without_common_key(jobs)
    found = _compared(jobs, baseline)
    parts = {} if by is None else {value: _compared(part, baseline) for value, part in _parts(jobs).items()}
    verdicts = [evaluate(one, found.by_scorer, found.variants) for one in requirements]
    runs = {name: figures for job in jobs for name, figures in runs_of(job).items()}
    rows = matched(jobs)
    flips = list(flips_of(jobs, rows, found.by_scorer, found.variants, show)) if show else []
    return replace(found, parts=parts, verdicts=verdicts, runs=runs, flips=flips, keys=rows.keys)


def _compared(jobs: Sequence[ScoredJob], baseline: str | None) -> Comparisons:
    from batchrun.scoring.comparison import compare_scores, layout_of  # noqa: PLC0415 - needs the extra

    variants = [name for job in jobs for name in job.variants]
    if baseline is not None and baseline not in variants:
        raise InputError(f"--baseline {baseline!r}: no such variant; the variants are {', '.join(map(repr, variants))}")
    place = 0 if baseline is None else variants.index(baseline)
    rows = matched(jobs)
    repeats = max(job.repeats for job in jobs)
    layout = layout_of(rows.input_row, rows.variant, variants=len(variants), repeats=repeats, cluster=rows.cluster)
    by_scorer = {name: compare_scores(layout, scores, baseline=place) for name, scores in rows.scores.items()}
    return Comparisons(variants[place], variants, by_scorer, notes=_notes(variants, by_scorer))


def _parts(jobs: Sequence[ScoredJob]) -> dict[str, list[ScoredJob]]:
    values = dict.fromkeys(value for job in jobs for value in job.parts)
    return {value: [job.part(value) for job in jobs] for value in values}


def _notes(variants: Sequence[str], by_scorer: "Mapping[str, Comparison]") -> list[str]:
    notes = []
    for scorer, one in by_scorer.items():
        if all(figures.mean == 0 for figures in one.figures):
            notes.append(f"{scorer}: every score is 0; is its expression right? batchrun score says if it is null")
        missing = {figures.missing for figures in one.figures}
        if len(missing) > 1:
            counts = ", ".join(f"{name}: {one.figures[place].missing:,}" for place, name in enumerate(variants))
            notes.append(
                f"{scorer}: the variants differ in missing scores ({counts}); a mean is over the rows that have one"
            )
    return notes
