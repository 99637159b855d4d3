"""The summary of a job as plain values."""

from batchrun.domain.summary import SessionFigures, Summary, counts
from batchrun.domain.tally import Tally

CONTRACT = {
    "rows", "completed", "failed", "timed_out", "in_doubt", "running", "queued", "submissions", "polls", "throttled",
    "elapsed_s", "exit_code", "errors", "session",
}  # fmt: skip


def test_the_summary_has_what_the_contract_names() -> None:
    summary = Summary(
        **counts(Tally(2)),
        reused=0,
        submissions=5,
        polls=6,
        throttled=1,
        elapsed_s=2.5,
        exit_code=3,
        errors_by_kind={"input": 1},
        session=SessionFigures(1, 2, 0, 0.5, None, {"timeout": 1}),
    )
    figures = summary.as_dict()
    assert set(figures) >= CONTRACT
    assert figures["rows"] == figures["queued"] == 2
    assert figures["errors"] == {"input": 1}
    # "the last five figures" before errors and session: those of the last session alone
    session = {"submissions": 1, "polls": 2, "throttled": 0, "elapsed_s": 0.5, "exit_code": None}
    assert figures["session"].items() >= session.items()
    assert figures["session"]["errors"] == {"timeout": 1}
