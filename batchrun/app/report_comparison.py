"""The comparison of variants or jobs in a report."""

from collections.abc import Sequence
from dataclasses import replace

from batchrun.app.export import reopen_input
from batchrun.app.report_inputs import InputValues, input_values
from batchrun.domain.filenames import SCORES
from batchrun.errors import InputError
from batchrun.job import Job
from batchrun.scoring.comparisons import Comparisons, Flip, Side
from batchrun.views.report.model import Report

SHOWN_FLIPS = 10
"""Rows that flipped, for each scorer, variant and direction."""


def with_comparison(found: Report, jobs: Sequence[Job], redact: Sequence[str]) -> Report:
    """The report with the comparison of its variants or jobs, if they have scores, or with why it has none."""
    without = [job for job in jobs if not (job.folder / SCORES).exists()]
    if without:
        if len(jobs) == 1 and jobs[0].sweep.is_plain:
            return found
        scorer = "" if without[0].score else " --score NAME=KIND:EXPR:TARGET"
        folder = without[0].folder
        why = f"{folder} has no scores to compare. Make them with: batchrun score {folder}{scorer}"
        return replace(found, no_comparison=why)
    from batchrun.app.compare import compare  # noqa: PLC0415 - few jobs have scores

    try:
        comparison = compare(*(job.folder for job in jobs), show=SHOWN_FLIPS)
    except InputError as error:  # the extra is missing, or the jobs have nothing in common
        return replace(found, no_comparison=str(error))
    if redact:
        comparison = _redacted(comparison, jobs, redact)
    return replace(found, comparison=comparison)


def _redacted(comparison: Comparisons, jobs: Sequence[Job], redact: Sequence[str]) -> Comparisons:
    """The rows that flipped, without the values that are left out; rows are named by number if the key is."""
    rows = {side.row for flip in comparison.flips for side in (flip.baseline_run, flip.variant_run)}
    values = [input_values(reopen_input(job), rows, redact) for job in jobs]
    by_number = any(job.key in redact for job in jobs)

    def shown(side: Side) -> Side:
        return side if side.output is None else replace(side, output=_without(side.output, side.row, values))

    def flipped(flip: Flip) -> Flip:
        label = f"row {flip.baseline_run.row}" if by_number else flip.label
        return replace(flip, label=label, baseline_run=shown(flip.baseline_run), variant_run=shown(flip.variant_run))

    return replace(comparison, flips=list(map(flipped, comparison.flips)), keys={} if by_number else comparison.keys)


def _without(text: str, row: int, values: Sequence[InputValues]) -> str:
    for one in values:  # the row may be of any of the jobs
        text = one.redacted(row, text)
    return text
