"""The library as a type checker sees it: nothing here is run, mypy reads it with the rest."""

from pathlib import Path
from typing import assert_type

import pyarrow as pa

import batchrun


async def in_a_loop(job: batchrun.Job) -> None:
    """Inside a running loop."""
    summary = await batchrun.arun(job, fresh=True, progress=True)
    assert_type(summary, batchrun.JobSummary)
    assert_type(await batchrun.aresume(Path("rows-run"), rps=5.0), batchrun.JobSummary)


def without_a_loop() -> None:
    """In a program of its own."""
    job = batchrun.Job(input=Path("rows.csv"), workflow_id="echo", simulate=True)
    assert_type(job.folder, Path)
    assert_type(batchrun.run(job), batchrun.JobSummary)
    assert_type(batchrun.resume("rows-run", in_doubt="fail", progress=print), batchrun.JobSummary)
    assert_type(batchrun.retry("rows-run", [3], "fail", rps=5.0), batchrun.JobSummary)
    assert_type(batchrun.status("rows-run"), batchrun.JobSummary)
    assert_type(batchrun.report("rows-run", "other-run", to="both.html", redact=["email"]), Path)
    assert_type(batchrun.export("rows-run", to="snapshot", format="csv", excel_safe=True), tuple[Path, ...])


def what_comes_back(summary: batchrun.JobSummary) -> None:
    """The figures, and the results as tables."""
    assert_type(summary.completed, int)
    assert_type(summary.exit_code, int | None)
    assert_type(summary.errors_by_kind.get("timeout"), int | None)
    assert_type(summary.session, batchrun.SessionFigures)
    assert_type(summary.run_s, batchrun.Quantiles | None)
    base: batchrun.Summary = summary
    assert_type(base.eta_s, float | None)
    tables: list[pa.Table] = [summary.outputs(), summary.errors(), batchrun.head("rows-run", 3, True)]
    del tables


def listener(progress: batchrun.Progress) -> None:
    """A function to be told of the progress."""
    assert_type(progress.completed, int)
    assert_type(progress.rate, float | None)


def with_a_listener(job: batchrun.Job) -> None:
    """It is taken where it fits, and refused where it does not."""
    batchrun.run(job, progress=listener)
    batchrun.run(job, progress="bar")  # type: ignore[arg-type]
    batchrun.retry("rows-run", in_doubt="hold")  # type: ignore[arg-type]
    batchrun.run("rows.csv")  # type: ignore[arg-type]


def mistakes(error: batchrun.BatchrunError) -> int:
    """Whose fault it was."""
    if isinstance(error, batchrun.InputError):
        assert_type(list(error.problems), list[str])
    return error.exit_code
