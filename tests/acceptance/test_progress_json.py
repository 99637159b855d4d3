"""`--progress json` on the installed command: standard error holds records and nothing else, whatever happens."""

import os
import signal
import subprocess
from pathlib import Path

import msgspec
import pytest

from batchrun.views.progress_events import AnyEvent, End, Error, Log, Progress, Start, Stopping
from tests.support.command import BATCHRUN, batchrun, environment, rows_file, simulator, started, status

FAST = ("--sim", "duration=0.2", "--sim", "pending=0", "--poll-initial", "0.3", "--rps", 100)
RUN = ("run", "rows.csv", "--workflow-id", "echo", "--simulate", "-o", "job", *FAST)
STATES = ("completed", "failed", "timed_out", "in_doubt", "running", "queued")


def _records(text: str) -> list[AnyEvent]:
    """Every line, read strictly by its type; every field that it has is one of the type's."""
    found = []
    for line in text.splitlines():
        record = msgspec.json.decode(line, type=AnyEvent)
        assert set(msgspec.json.decode(line)) == {"event", *type(record).__struct_fields__}, line
        found.append(record)
    return found


def test_every_line_of_a_run_is_a_record(tmp_path: Path) -> None:
    rows_file(tmp_path, 150)
    done = batchrun(*RUN, "--sim", "fail=0.1", "--progress", "json", "--json", "-v", cwd=tmp_path)
    assert done.returncode == 3
    start, *middle, end = _records(done.stderr)
    assert isinstance(start, Start)
    assert (start.rows, start.queued) == (150, 150)
    assert {type(record) for record in middle} <= {Progress, Log}
    progress = [record for record in middle if isinstance(record, Progress)]
    assert all(sum(getattr(record, state) for state in STATES) == 150 for record in progress)
    assert isinstance(end, End)
    assert (end.exit_code, end.reason, end.summary["completed"]) == (3, None, progress[-1].completed)
    assert end.summary == msgspec.json.decode(done.stdout)


def test_a_signal_is_reported_and_the_end_names_the_next_command(tmp_path: Path) -> None:
    with simulator(tmp_path, "--duration", "1.5") as service:
        rows_file(tmp_path, 300)
        job = ("run", "rows.csv", "--workflow-id", "echo", "-o", "my job", "--base-url", service.base_url, "--rps", 100)
        with started(*job, "--progress", "json", cwd=tmp_path) as process:
            service.wait_for("posts", 20)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
            assert process.returncode == 130
        start, *middle, end = _records(errors)
        assert isinstance(start, Start)
        (stopping,) = [record for record in middle if isinstance(record, Stopping)]
        assert (stopping.exit_code, stopping.collect) == (130, False)
        assert "SIGINT" in stopping.reason
        assert isinstance(middle[-1], Progress)
        assert isinstance(end, End)
        assert (end.exit_code, end.reason) == (130, stopping.reason)
        assert end.next == "batchrun resume 'my job'"
        assert status(tmp_path / "my job")["exit_code"] == 130
        resumed = batchrun("resume", "my job", cwd=tmp_path, env=environment(BATCHRUN_PROGRESS="json"))
        start, *_, end = _records(resumed.stderr)
        assert isinstance(start, Start)
        assert start.running + start.completed >= 20
        assert isinstance(end, End)
        assert (end.exit_code, end.next) == (0, None)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "absent.csv", "--workflow-id", "w", "--simulate"), "absent.csv"),
        (("run", "rows.csv", "--simulate"), "--workflow-id"),
        (("run", "rows.csv", "--workflow-id", "w", "--speed", "9"), "--speed"),
        (("run", "rows.csv", "--workflow-id", "w", "--simulate", "--rps", "0"), "--rps"),
        (("run", "rows.csv", "--workflow-id", "w", "--simulate", "-q", "-v"), "--quiet and --verbose"),
        (("check", "absent.csv", "--workflow-id", "w", "--simulate"), "absent.csv"),
        (("run", "absent.csv", "--workflow-id", "w", "--simulate", "--dry-run"), "absent.csv"),
        (("resume", "nowhere"), "nowhere"),
        (("resume",), "DIR"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
@pytest.mark.parametrize("asked", ["--progress json", "--progress=json", "BATCHRUN_PROGRESS"])
def test_a_mistake_is_a_record_as_well(tmp_path: Path, arguments: tuple[str, ...], told: str, asked: str) -> None:
    rows_file(tmp_path, 3)
    flags = asked.split() if asked.startswith("-") else []
    env = environment() if flags else environment(BATCHRUN_PROGRESS="json")
    done = batchrun(*arguments, *flags, cwd=tmp_path, env=env)
    assert done.returncode == 2
    (error,) = _records(done.stderr)
    assert isinstance(error, Error)
    assert error.exit_code == 2
    assert told in error.message
    assert done.stdout == ""


def test_a_job_file_may_ask_for_it(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    (tmp_path / "job.toml").write_text('input = "rows.csv"\nworkflow-id = "w"\nsimulate = true\nprogress = "json"\n')
    done = batchrun("run", "-c", "job.toml", "--key", "text", "--skip", "nope", cwd=tmp_path)
    assert done.returncode == 2
    (error,) = _records(done.stderr)
    assert isinstance(error, Error)
    assert "nope" in error.message


def test_a_directory_held_by_another_process_is_reported_as_a_record(tmp_path: Path) -> None:
    with simulator(tmp_path, "--duration", "5") as service:
        rows_file(tmp_path, 20)
        job = ("run", "rows.csv", "--workflow-id", "echo", "-o", "job", "--base-url", service.base_url)
        with started(*job, cwd=tmp_path):
            service.wait_for("posts", 2)
            done = batchrun(*job, "--progress", "json", cwd=tmp_path)
    assert done.returncode == 75
    (error,) = _records(done.stderr)
    assert isinstance(error, Error)
    assert error.exit_code == 75


@pytest.mark.parametrize("progress", ["json", "log", "bar"])
def test_a_reader_of_standard_error_that_goes_away_changes_nothing(tmp_path: Path, progress: str) -> None:
    rows_file(tmp_path, 100)
    reading, writing = os.pipe()
    with subprocess.Popen(
        [BATCHRUN, *map(str, RUN), "--progress", progress, "--json"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=writing,
        text=True,
    ) as process:
        os.close(writing)
        os.close(reading)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert msgspec.json.decode(output)["completed"] == 100


def test_what_is_shown_can_be_less_or_more_but_not_both(tmp_path: Path) -> None:
    rows_file(tmp_path, 5)
    both = batchrun(*RUN, "-q", "-v", cwd=tmp_path)
    assert both.returncode == 2
    assert "--quiet and --verbose" in both.stderr
    assert not (tmp_path / "job").exists()
    quiet = batchrun(*RUN, "-q", cwd=tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    told = batchrun(*RUN, "-q", "--progress", "json", cwd=tmp_path)
    assert (told.returncode, told.stdout) == (0, "")
    assert {type(record) for record in _records(told.stderr)} == {Start, Progress, End}
    silent = batchrun(*RUN, "--progress", "none", cwd=tmp_path)
    assert silent.returncode == 0
    assert "nothing left to do" in silent.stderr
    assert " of 5 done" not in silent.stderr
    assert "5 completed" in silent.stdout
