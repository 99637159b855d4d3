"""What a service reports about a run besides its state, from its answers to the results. Whole jobs in virtual time."""

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchrun.app.export import export
from batchrun.app.head import head
from batchrun.app.status import status
from batchrun.domain.answers import AcceptedAnswer, Phase, Refusal, RunDetails, RunState
from batchrun.domain.run_details import Tokens
from batchrun.domain.summary import Summary
from batchrun.errors import InputError
from batchrun.ports import Response
from batchrun.views.progress import JobProgress, NoView
from tests.support.detailed_dialect import Answer, DetailedDialect, registered
from tests.support.rehearsal import Rehearsal

COLUMNS = [
    ("debug_url", pa.string()),
    ("log_id", pa.string()),
    ("input_tokens", pa.int64()),
    ("output_tokens", pa.int64()),
    ("total_tokens", pa.int64()),
]
NAMES = [name for name, _ in COLUMNS]


@pytest.fixture
def dialect(monkeypatch: pytest.MonkeyPatch) -> DetailedDialect:
    return registered(monkeypatch)


def columns(folder: Path, name: str) -> list[tuple[str, pa.DataType]]:
    return [(field.name, field.type) for field in pq.read_schema(folder / "job" / f"{name}.parquet")]


def details(row: dict[str, Any]) -> list[Any]:
    return [row[name] for name in NAMES]


def test_both_files_have_the_details_of_each_run(tmp_path: Path, dialect: DetailedDialect) -> None:
    rehearsal = Rehearsal(tmp_path, 6, "fault=fail:id=1", "fault=reject:id=2", "fault=stuck:id=3", "duration=2")
    rehearsal.run(api=dialect.name, run_timeout=20)
    outputs, errors = rehearsal.outputs(), rehearsal.errors()
    assert (set(outputs), set(errors)) == ({0, 4, 5}, {1, 2, 3})
    for row in (*outputs.values(), errors[1], errors[3]):
        run = row["run_id"]
        tokens = [None, None, None] if row["row"] == 3 else [10, 5, 15]
        assert details(row) == [f"https://debug/{run}", f"log of {run}", *tokens]
    assert details(errors[2]) == [None, "log of a refusal", None, None, None]
    for name in ("outputs", "errors"):
        assert [column for column in columns(tmp_path, name) if column[0] in NAMES] == COLUMNS


def test_without_details_the_results_have_no_columns_for_them(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, [{"id": "0", "log_id": "mine"}], "duration=1")
    rehearsal.run()
    names = [name for name, _ in columns(tmp_path, "outputs")]
    assert set(names) & set(NAMES) == {"log_id"}
    assert rehearsal.outputs()[0]["log_id"] == "mine"


def test_input_columns_with_their_names_are_renamed(tmp_path: Path, dialect: DetailedDialect) -> None:
    rows = [{"id": str(number), "log_id": f"mine {number}", "tokens": "1"} for number in range(2)]
    rehearsal = Rehearsal(tmp_path, rows, "fault=reject:id=1", "duration=1")
    rehearsal.run(api=dialect.name)
    errors = rehearsal.errors()[1]
    assert (errors["input.log_id"], errors["log_id"], errors["tokens"]) == ("mine 1", "log of a refusal", "1")
    with pytest.raises(InputError, match="there is a column 'total_tokens' already"):
        export(tmp_path / "job", tmp_path / "to", select={"total_tokens": "echo.id"})
    rehearsal.serve("duration=1")
    rehearsal.run(input=tmp_path / "job" / "errors.parquet", out=tmp_path / "next")
    assert rehearsal.inputs_of(rehearsal.posts()[-1][1]) == rows[1]


def test_later_values_replace_earlier_ones_and_missing_values_do_not(tmp_path: Path, dialect: DetailedDialect) -> None:
    def details_of(answer: Answer) -> RunDetails | None:
        if isinstance(answer, AcceptedAnswer):
            return RunDetails("first", "https://debug")
        if isinstance(answer, Refusal):
            return None
        return RunDetails(None, None, 1, 2, 3) if answer.phase is Phase.RUNNING else RunDetails("last", None, 4, 5)

    dialect.details_of = details_of
    rehearsal = Rehearsal(tmp_path, 3, "duration=30")
    rehearsal.run(api="detailed")
    assert [details(row) for row in rehearsal.outputs().values()] == [["https://debug", "last", 4, 5, 3]] * 3


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_row_that_is_submitted_again_has_the_details_of_its_last_run(
    tmp_path: Path, dialect: DetailedDialect, mode: str
) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1", "fail=1")
    rehearsal.run(api="detailed", mode=mode)
    assert {row["total_tokens"] for row in rehearsal.errors().values()} == {15}
    dialect.details_of = lambda answer: RunDetails("again") if isinstance(answer, RunState) else None
    rehearsal.serve("duration=1")
    assert rehearsal.retry(api="detailed", mode=mode).completed == 3
    assert [details(row) for row in rehearsal.outputs().values()] == [[None, "again", None, None, None]] * 3


@pytest.mark.parametrize(("kind", "log_id"), [("lost", "refusal"), ("timeout", "running")])
def test_a_lost_or_late_run_has_the_details_of_the_last_answer(
    tmp_path: Path, dialect: DetailedDialect, kind: str, log_id: str
) -> None:
    log_ids = {AcceptedAnswer: "accepted", RunState: "running", Refusal: "refusal"}
    dialect.details_of = lambda answer: RunDetails(log_ids[type(answer)])
    rehearsal = Rehearsal(tmp_path, 1, "fault=stuck:id=0")
    unknown = Response(404, b'{"error":{"code":"404","message":"no such run"}}')
    rehearsal.answer = lambda request: unknown if request.method == "GET" and kind == "lost" else None
    rehearsal.run(api="detailed", max_polls=1)
    assert [(row["error_kind"], row["log_id"]) for row in rehearsal.errors().values()] == [(kind, log_id)]


@pytest.mark.parametrize("changes", range(1, 9))
def test_details_survive_a_kill(tmp_path: Path, dialect: DetailedDialect, changes: int) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=5")
    rehearsal.run(kill_after=changes, api=dialect.name)
    assert rehearsal.run(api=dialect.name, in_doubt="resubmit").completed == 3
    for row in rehearsal.outputs().values():
        run = row["run_id"]
        assert details(row) == [f"https://debug/{run}", f"log of {run}", 10, 5, 15]


def test_head_and_export_have_the_same_columns(tmp_path: Path, dialect: DetailedDialect) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "fault=fail:id=1", "duration=1")
    rehearsal.run(api=dialect.name)
    export(tmp_path / "job", tmp_path / "to")
    for name, errors in (("outputs", False), ("errors", True)):
        written = pq.read_table(tmp_path / "to" / f"{name}.parquet")
        assert head(tmp_path / "job", errors=errors).equals(written)
        assert set(written["total_tokens"].to_pylist()) == {15}


def test_a_reused_run_has_no_tokens(tmp_path: Path, dialect: DetailedDialect) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run(api=dialect.name, key="id")
    first = rehearsal.outputs()
    rehearsal.run(api=dialect.name, key="id", out=tmp_path / "next", reuse=tmp_path / "job")
    for row in pq.read_table(tmp_path / "next" / "outputs.parquet").to_pylist():
        assert details(row) == [*details(first[row["row"]])[:2], None, None, None]


# -- tokens of the whole job


def tokens(summary: Summary) -> Tokens:
    return Tokens(summary.input_tokens, summary.output_tokens, summary.total_tokens)


class Looking(NoView):
    """Keeps the live figures of the job."""

    async def show(self, progress: JobProgress) -> None:
        self.progress = progress


def reported_while_running(answer: Answer) -> RunDetails | None:
    """Preliminary figures while a run is at work, and other ones at its end."""
    if not isinstance(answer, RunState):
        return None
    return RunDetails(None, None, 12, 1) if answer.phase is Phase.RUNNING else RunDetails(None, None, 10, 5, 15)


def test_the_summary_adds_up_the_tokens_of_all_runs(tmp_path: Path, dialect: DetailedDialect) -> None:
    dialect.details_of = reported_while_running
    rehearsal = Rehearsal(tmp_path, 8, "fault=fail:id=1", "fault=reject:id=2", "duration=uniform:1,60")
    summary = rehearsal.run(api="detailed", retry_failed_runs=True, retries=2)
    assert (summary.completed, summary.failed) == (6, 2)
    assert tokens(summary) == Tokens(9 * 10, 9 * 5, 9 * 15), "row 1 had three runs, and row 2 none"
    assert tokens(status(tmp_path / "job")) == tokens(summary)
    written = msgspec.json.decode((tmp_path / "job" / "summary.json").read_bytes())
    assert [written[name] for name in NAMES[2:]] == [90, 45, 135]
    assert tokens(rehearsal.retry(api="detailed")) == Tokens(10 * 10, 10 * 5, 10 * 15), "one run more"


def test_without_tokens_the_summary_has_nulls(tmp_path: Path) -> None:
    assert tokens(Rehearsal(tmp_path, 2, "duration=1").run()) == Tokens()
    assert msgspec.json.decode((tmp_path / "job" / "summary.json").read_bytes())["total_tokens"] is None


@pytest.mark.parametrize("seed", range(12))
def test_each_run_is_counted_once_however_often_the_process_is_killed(
    tmp_path: Path, dialect: DetailedDialect, seed: int
) -> None:
    dialect.details_of = reported_while_running
    rehearsal = Rehearsal(tmp_path, 6, "fail=0.3", "duration=uniform:1,40", seed=seed)
    options: dict[str, Any] = {"api": "detailed", "in_doubt": "resubmit", "retry_failed_runs": True}
    for session in range(3):
        rehearsal.run(kill_after=2 + 3 * session + seed, **options)
    rehearsal.view = looking = Looking()
    summary = rehearsal.run(**options)
    assert summary.running == summary.queued == 0
    runs = len({path for _, path in rehearsal.polls()})
    assert tokens(summary) == looking.progress.tally.tokens == Tokens(10 * runs, 5 * runs, 15 * runs)
