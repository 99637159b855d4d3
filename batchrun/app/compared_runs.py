"""What stands behind the figures of a comparison: the runs of each variant, and the rows that flipped."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from batchrun.adapters.checkpoint import connection, results_reader
from batchrun.app.pinned_job import load_job
from batchrun.app.run_directory import directory_of
from batchrun.app.scored_jobs import MatchedRows, ScoredJob
from batchrun.scoring.comparisons import Flip, RunFigures, Side

if TYPE_CHECKING:
    from batchrun.scoring.comparison import Comparison


def runs_of(job: ScoredJob) -> dict[str, RunFigures]:
    """The figures of the completed runs, by variant."""
    import numpy as np  # noqa: PLC0415 - only comparisons need it

    sweep = load_job(job.folder).sweep
    taken, tokens = ([array("q") for _ in job.variants] for _ in range(2))
    completed = [0] * len(job.variants)
    with connection.open_reader(directory_of(load_job(job.folder)).checkpoint) as db:
        for row, milliseconds, total in results_reader.run_figures(db):
            variant = sweep.place(row).variant
            completed[variant] += 1
            if milliseconds is not None and milliseconds >= 0:
                taken[variant].append(milliseconds)
            if total is not None:
                tokens[variant].append(total)
    figures = {}
    for place, name in enumerate(job.variants):
        p50, p95 = (
            (float(value) / 1000 for value in np.percentile(taken[place], (50, 95))) if taken[place] else (None, None)
        )
        figures[name] = RunFigures(completed[place], p50, p95, sum(tokens[place]) if tokens[place] else None)
    return figures


def flips_of(
    jobs: Sequence[ScoredJob],
    rows: MatchedRows,
    by_scorer: "Mapping[str, Comparison]",
    variants: Sequence[str],
    show: int,
) -> Iterator[Flip]:
    """The first `show` rows that each variant does better, and that it does worse, than the baseline."""
    for scorer, one in by_scorer.items():
        for place, difference in enumerate(one.differences):
            if difference is None:
                continue
            for better, found in ((True, difference.better_rows), (False, difference.worse_rows)):
                for number in found[:show].tolist():
                    # Of several repeats, those that show the flip best.
                    before = _side(jobs, rows, (scorer, number, one.baseline), highest=not better)
                    after = _side(jobs, rows, (scorer, number, place), highest=better)
                    label = rows.keys.get(number, f"row {number}")
                    yield Flip(scorer, variants[place], better, label, before, after)


def _side(jobs: Sequence[ScoredJob], rows: MatchedRows, what: tuple[str, int, int], *, highest: bool) -> Side:
    """The run with the highest or lowest score, by scorer, input row and variant."""
    import numpy as np  # noqa: PLC0415 - likewise

    scorer, number, variant = what
    places = np.flatnonzero((rows.input_row == number) & (rows.variant == variant))
    scores = rows.scores[scorer][places]
    best = np.nanargmax(scores) if highest else np.nanargmin(scores)
    row = int(rows.row[places[best]])
    score, mean, repeats = float(scores[best]), float(np.nanmean(scores)), int(np.count_nonzero(~np.isnan(scores)))
    before = 0
    for job in jobs:
        if variant < before + len(job.variants):
            with connection.open_reader(directory_of(load_job(job.folder)).checkpoint) as db:
                return Side(row, *results_reader.output_of(db, row), score, mean, repeats)
        before += len(job.variants)
    raise AssertionError(variant)  # pragma: no cover - every variant is of one of the jobs
