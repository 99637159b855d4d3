"""The library against the simulator within the process, by the real clock."""

import asyncio
import pydoc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import batchrun
from batchrun.adapters.files.lock import owned
from tests.support.command import rows_file


def _job(folder: Path, rows: int = 20, *, duration: float = 0.1, **options: Any) -> batchrun.Job:
    sim = [f"duration={duration}", "pending=0", *options.pop("sim", [])]
    fast: dict[str, Any] = {"rps": 200, "poll_initial": 0.2, "simulate": True, "workflow_id": "echo", "sim": sim}
    return batchrun.Job(**(fast | {"input": rows_file(folder, rows), "out": folder / "job"} | options))


def test_a_job_and_its_results(tmp_path: Path) -> None:
    told: list[batchrun.Progress] = []
    summary = batchrun.run(_job(tmp_path, sim=["fault=fail:id=3"]), progress=told.append)
    assert (summary.completed, summary.exit_code, summary.errors_by_kind) == (19, 3, {"run_failed": 1})
    assert (told[-1].completed, told[-1].failed) == (19, 1)
    outputs, errors = summary.outputs(), summary.errors()
    assert isinstance(outputs, pa.Table)
    assert outputs == pq.read_table(tmp_path / "job" / "outputs.parquet")
    assert errors["row"].to_pylist() == [3]
    assert batchrun.status(tmp_path / "job").outputs() == outputs
    assert batchrun.head(tmp_path / "job", 4) == outputs.slice(0, 4)
    assert batchrun.head(tmp_path / "job", errors=True) == errors
    with pytest.raises(batchrun.InputError, match="above 0"):
        batchrun.head(tmp_path / "job", 0)


def test_resuming_changes_what_may_change_and_refuses_the_rest(tmp_path: Path) -> None:
    assert batchrun.run(_job(tmp_path, limit=5)).rows == 5
    assert batchrun.resume(tmp_path / "job", limit=8).completed == 8
    assert batchrun.resume(str(tmp_path / "job"), limit=None).completed == 20
    with pytest.raises(batchrun.InputError) as refused:
        batchrun.resume(tmp_path / "job", workflow_id="other", input="other.csv", rpss=3)
    assert [problem.split(":")[0].split(";")[0] for problem in refused.value.problems] == [
        "workflow_id",
        "input",
        "unknown option 'rpss'",
    ]
    with pytest.raises(batchrun.InputError, match="no such directory"):
        batchrun.resume(tmp_path / "nowhere")


def test_retrying_all_or_some(tmp_path: Path) -> None:
    faults = [f"fault=fail:id={row}" for row in (3, 5, 7)]
    summary = batchrun.run(_job(tmp_path, sim=faults))
    assert summary.errors()["attempts"].to_pylist() == [1, 1, 1]
    some = batchrun.retry(tmp_path / "job", [5])
    assert some.errors()["attempts"].to_pylist() == [1, 2, 1]
    healed = batchrun.retry(tmp_path / "job", sim=["duration=0.1", "pending=0"])
    assert (healed.completed, healed.exit_code) == (20, 0)
    with pytest.raises(batchrun.InputError, match="row 5 is completed"):
        batchrun.retry(tmp_path / "job", rows=[5])


def test_a_copy_with_changes_is_checked_again(tmp_path: Path) -> None:
    job = _job(tmp_path, 3)
    assert batchrun.run(job.model_copy(update={"out": str(tmp_path / "text")})).completed == 3
    with pytest.raises(batchrun.InputError, match=r"^rps: must be"):
        batchrun.run(job.model_copy(update={"rps": 0}))


def test_results_that_are_not_written_yet(tmp_path: Path) -> None:
    summary = batchrun.run(_job(tmp_path, 3))
    (tmp_path / "job" / "outputs.parquet").unlink()
    with pytest.raises(batchrun.InputError, match=r"batchrun\.export"):
        summary.outputs()
    batchrun.export(summary.folder)
    assert summary.outputs().num_rows == 3


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda folder: batchrun.run(_job(folder)), "await batchrun.arun(job)"),
        (batchrun.resume, "await batchrun.aresume(folder)"),
        (batchrun.retry, "await batchrun.aretry(folder)"),
    ],
)
def test_inside_a_loop_the_awaitable_door_is_named(
    tmp_path: Path, call: Callable[[Path], object], instead: str
) -> None:
    async def notebook() -> None:
        call(tmp_path)

    with pytest.raises(batchrun.InputError) as refused:
        asyncio.run(notebook())
    assert instead in str(refused.value)
    assert not (tmp_path / "job").exists()


def test_two_jobs_in_one_loop_go_on_at_the_same_time(tmp_path: Path) -> None:
    begun = {"one": asyncio.Event(), "two": asyncio.Event()}

    async def both() -> list[batchrun.JobSummary]:
        async def one(name: str) -> batchrun.JobSummary:
            def listener(progress: batchrun.Progress) -> None:
                if progress.submissions and not progress.completed:
                    begun[name].set()

            (tmp_path / name).mkdir()
            return await batchrun.arun(_job(tmp_path / name, 40, duration=2.5), progress=listener)

        async with asyncio.TaskGroup() as group:
            jobs = [group.create_task(one(name)) for name in begun]
            for event in begun.values():  # each is under way before either has completed a row
                await event.wait()
            assert not any(job.done() for job in jobs)
        return [job.result() for job in jobs]

    assert [summary.completed for summary in asyncio.run(both())] == [40, 40]


def test_a_second_job_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(batchrun.arun(_job(tmp_path, duration=1)))

    with pytest.raises(ExceptionGroup) as refused:
        asyncio.run(both())
    assert refused.group_contains(batchrun.JobBusyError)


@pytest.mark.parametrize("after", [0.0, 0.05, 0.3, 0.8, 2.0])
def test_a_task_that_is_cancelled_lets_go_and_leaves_what_can_be_resumed(tmp_path: Path, after: float) -> None:
    job = _job(tmp_path, 80, duration=1, rps=30)

    async def cancelled() -> None:
        async with asyncio.timeout(after):
            await batchrun.arun(job)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    if (tmp_path / "job").exists():
        with owned(tmp_path / "job" / "checkpoint.lock"):
            pass  # nobody holds it any more
        figures = batchrun.status(tmp_path / "job")
        assert figures.in_doubt == 0
        assert figures.exit_code == 130 or not figures.submissions, "it was drained"
    summary = batchrun.run(job.model_copy(update={"rps": 500}))
    assert (summary.completed, summary.exit_code) == (80, 0)


def test_a_task_that_was_cancelled_says_how_the_job_goes_on(tmp_path: Path) -> None:
    job = _job(tmp_path, 80, duration=1, rps=50)

    async def cancelled() -> None:
        task = asyncio.get_running_loop().create_task(batchrun.arun(job))
        await asyncio.sleep(0.7)
        task.cancel()
        with pytest.raises(asyncio.CancelledError, match=r"to continue: await batchrun\.aresume\('.*job'\)"):
            await task

    asyncio.run(cancelled())


def test_a_task_that_is_cancelled_twice_ends_at_once(tmp_path: Path) -> None:
    job = _job(tmp_path, 200, duration=1, rps=100)

    async def cancelled() -> None:
        task = asyncio.get_running_loop().create_task(batchrun.arun(job))
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    with owned(tmp_path / "job" / "checkpoint.lock"):
        pass


ROWS = [{"id": 0, "text": "a"}, {"id": 1, "text": "b", "note": None}]


@pytest.mark.parametrize("kind", ["list", "arrow", "pandas", "polars"])
def test_rows_in_memory_are_a_job_like_any_other(tmp_path: Path, kind: str) -> None:
    rows: Any = ROWS
    if kind == "arrow":
        rows = pa.Table.from_pylist(ROWS)
    elif kind != "list":
        rows = pytest.importorskip(kind).DataFrame(ROWS)
    job = batchrun.Job(
        input=rows, out=tmp_path / "job", workflow_id="echo", simulate=True, sim={"duration": 0.1, "pending": 0}, rps=99
    )
    assert batchrun.run(job.model_copy(update={"limit": 1})).completed == 1
    done = batchrun.resume(tmp_path / "job", limit=None)
    assert done.completed == 2
    assert done.outputs()["text"].to_pylist() == ["a", "b"]
    assert batchrun.run(job).submissions == 2


@pytest.fixture
def job_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished job in the directory `job` of the working directory."""
    monkeypatch.chdir(tmp_path)
    batchrun.run(_job(tmp_path, 1))


@pytest.mark.usefixtures("job_here")
@pytest.mark.parametrize(
    ("name", "called_with", "options", "said"),
    [
        ("retry", ("job",), {"rows": 5}, "rows: expected a list, such as [3, 17] (got 5)"),
        ("retry", ("job",), {"rows": "5"}, "rows: expected a list, such as [3, 17] (got '5')"),
        ("retry", ("job",), {"rows": [1.5]}, "rows: expected a whole number (got 1.5)"),
        ("retry", ("job",), {"kinds": "timeout"}, "kinds: expected a list, such as ['timeout']"),
        ("head", ("job", "3"), {}, "n: expected a whole number (got '3')"),
        ("resume", ("job",), {"fresh": True}, "fresh: starts a job anew, which only run does"),
        ("resume", ("job",), {"max_inflight": 5}, "did you mean max_in_flight?"),
        ("resume", ("job",), {"progress": "bar"}, "progress: expected True, False or a function"),
        ("resume", ("",), {}, "folder: is empty; name the run directory of a job"),
        ("status", (5,), {}, "folder: expected the path of a run directory (got 5)"),
        ("export", ("job", 5), {}, "to: expected the path of a run directory (got 5)"),
        ("export", ("job",), {"select": {"a": "["}}, "select a='['"),
    ],
)
def test_an_odd_argument_is_an_input_error_under_its_name(
    name: str, called_with: tuple[Any], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(batchrun.InputError) as refused:
        getattr(batchrun, name)(*called_with, **options)
    assert said in str(refused.value)


def test_the_help_of_a_job_names_its_options_in_readable_lines() -> None:
    text = pydoc.plain(pydoc.render_doc(batchrun.Job))
    signature = "Job(*, input, workflow_id, out=None, simulate=False, rps=10.0, max_in_flight=None, **options)"
    # Since Python 3.13, each parameter has a line of its own.
    assert signature.replace(" ", "") in text.replace(" |  ", "").replace("\n", "").replace(" ", "").replace(",)", ")")
    for name in batchrun.Job.model_fields:
        assert f"      {name}: " in text
    assert "BeforeValidator" not in text.split("Readonly properties")[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rps": -1}, "rps: must be more than 0 (got -1)"),
        ({"max_inflight": 1}, "unknown option 'max_inflight'; did you mean max_in_flight?"),
        ({"param": "text"}, "param: expected a dict of names"),
        ({"poll_max": 0.5}, "poll_max is less than poll_initial"),
        ({"input": (row for row in ROWS), "out": "job"}, "use input=list("),
        ({"input": pd.Series([1]), "out": "job"}, "series.to_frame()"),
        ({"input": ROWS, "out": 5}, "out: name the run directory"),
        ({"input": "https://x.y/rows.csv"}, "an address cannot be read"),
        ({"simulate": False}, "with token_file, or a command that prints it with token_command."),
        ({"rpss": 1}, "unknown option 'rpss'"),
        ({"input": ROWS}, "out: name the run directory"),
        ({"sim": {"durations": 1}}, "duration"),
        ({"input": [1], "out": "job"}, "row 0 is of type int and not a dict"),
        ({"input": 7, "out": "job"}, "type int cannot be read as a table"),
    ],
)
def test_every_mistake_is_an_input_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    given: dict[str, Any] = {"input": rows_file(tmp_path, 1), "workflow_id": "echo", "simulate": True}
    with pytest.raises(batchrun.InputError) as refused:
        batchrun.run(batchrun.Job(**(given | options)))
    assert said in str(refused.value)


def test_progress_in_a_file_is_lines(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    batchrun.run(_job(tmp_path, 3), progress=True)
    lines = capfd.readouterr().err.splitlines(keepends=True)
    assert "3 of 3 done" in lines[-1]
    assert not any("\r" in line for line in lines)


def test_other_rows_in_memory_leave_the_job_that_is_there_as_it_was(tmp_path: Path) -> None:
    rows = [{"id": number} for number in range(4)]
    options: dict[str, Any] = {"workflow_id": "echo", "simulate": True, "sim": {"duration": 0.1}, "rps": 99}
    batchrun.run(batchrun.Job(input=rows, out=tmp_path / "job", limit=2, **options))
    other = batchrun.Job(input=[{"id": "changed"}, *rows[1:]], out=tmp_path / "job", **options)
    with pytest.raises(batchrun.InputError, match="holds a job with other rows"):
        batchrun.run(other)
    assert batchrun.resume(tmp_path / "job", limit=None).completed == 4
    assert batchrun.run(other, fresh=True).completed == 4
    with pytest.raises(batchrun.InputError, match=r"expected a batchrun\.Job"):
        batchrun.run({"input": "rows.csv"})  # type: ignore[arg-type]
