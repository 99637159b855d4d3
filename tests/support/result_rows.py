"""Rows of the result files, built for tests."""

from batchrun.adapters.checkpoint.results_reader import ResultRow
from batchrun.domain.row import Row


def result_row(row: Row, output: str | None = None, reused_from: str | None = None) -> ResultRow:
    """The result row of an engine row."""
    problem = row.problem
    error_kind, code, message, http_status = (
        (None,) * 4 if problem is None else (problem.kind, problem.code, problem.message, problem.http_status)
    )
    return ResultRow(
        row.row, row.state, row.run_id, output, row.status, row.attempts, row.polls, row.submitted_at, row.finished_at,
        row.created_at, row.updated_at, error_kind, code, message, http_status, reused_from,
    )  # fmt: skip
