"""A signal at any moment of the start: its exit code, one plain line, and nothing half made."""

import json
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.support.command import batchrun, environment, rows_file, status
from tests.support.interruptions import SIGNAL_AT_IMPORT, signal_at_call

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FAST = ("--workflow-id", "echo", "--simulate", "--sim", "duration=0", "--rps", "1000", "--poll-initial", "0.05")
RUN = ("run", "rows.csv", *FAST, "-o", "job")


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("click", ("--help",)),
        ("batchrun.cli.main", RUN),
        ("pydantic", RUN),
        ("pyarrow", RUN),
        ("pyarrow.lib", ("head", "job")),
        ("aiohttp", RUN),
        ("batchrun.app.run", RUN),
        ("sqlite3", ("status", "job")),
        ("batchrun.app.simulate", ("simulate", "--port", "0")),
    ],
)
def test_while_modules_are_imported_it_leaves_at_once(tmp_path: Path, module: str, command: tuple[str, ...]) -> None:
    rows_file(tmp_path, 3)
    number = SIGNALS[len(module) % 3]
    done = subprocess.run(
        [sys.executable, "-c", SIGNAL_AT_IMPORT, module, str(int(number)), *command],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    line = f"Error: interrupted by {number.name} before anything was sent\n"
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", line)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_the_line_is_an_event_where_events_are_asked_for(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SIGNAL_AT_IMPORT, "pydantic", "15", *RUN, "--progress=json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    event = json.loads(done.stderr)
    assert (done.returncode, event["event"], event["exit_code"]) == (143, "error", 143)
    assert event["message"] == "interrupted by SIGTERM before anything was sent"


@pytest.mark.parametrize("count", [200, 500, 1_000, 3_000, 6_000, 10_000, 14_000, 20_000, 30_000, 45_000, 70_000])
def test_at_any_call_of_a_job_it_is_undone_or_goes_on_later(tmp_path: Path, count: int) -> None:
    rows_file(tmp_path, 10)
    number = SIGNALS[count % 3]
    done = batchrun(*RUN, cwd=tmp_path, before=partial(signal_at_call, number, count))
    assert done.returncode in {0, 128 + number}, done.stderr
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert f"interrupted by {number.name}" in done.stderr
    if (tmp_path / "job").exists():
        again = batchrun("resume", "job", "-q", cwd=tmp_path)
        assert again.returncode == 0, again.stderr
        assert status(tmp_path / "job")["completed"] == 10
    else:
        assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize("command", [("status", "job"), ("head", "job"), ("export", "job"), ("check", *RUN[1:])])
def test_at_any_call_of_a_command_that_reads_it_leaves_nothing_behind(tmp_path: Path, command: tuple[str, ...]) -> None:
    rows_file(tmp_path, 3)
    assert batchrun(*RUN, "-q", cwd=tmp_path).returncode == 0
    before = sorted(path.name for path in (tmp_path / "job").iterdir())
    codes = set()
    for count in (200, 1_000, 3_000, 6_000, 10_000, 20_000):
        number = SIGNALS[count % 3]
        done = batchrun(*command, cwd=tmp_path, before=partial(signal_at_call, number, count))
        codes.add(done.returncode)
        assert done.returncode in {0, 128 + number}, done.stderr
        assert "Traceback" not in done.stderr
        assert sorted(path.name for path in (tmp_path / "job").iterdir()) == before
    assert codes - {0}
    shutil.rmtree(tmp_path / "job")


WHILE_THE_LOOP_STARTS = """
import asyncio, signal
from batchrun.adapters.event_loop import run_in_loop
from batchrun.app.signals import draining, interruptible

async def main():
    signal.raise_signal(signal.SIGTERM)
    with draining(lambda number: print(number.name, flush=True)):
        await asyncio.sleep(0.05)

with interruptible() as interruption:
    interruption.record_only()
    run_in_loop(main())
"""


def test_a_signal_while_the_loop_starts_counts_once(tmp_path: Path) -> None:
    """A second one would end the process at once, with requests in the air."""
    command = [sys.executable, "-c", WHILE_THE_LOOP_STARTS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "SIGTERM\n", "")


WHILE_HANDLERS_ARE_PUT_BACK = """
import asyncio, signal
from batchrun.app.signals import draining

signal.signal(signal.SIGINT, lambda *_: print("ours", flush=True))

async def main():
    loop = asyncio.get_running_loop()
    remove = loop.remove_signal_handler
    def interrupted(number):
        remove(number)
        if number == signal.SIGINT:
            signal.raise_signal(signal.SIGINT)
    loop.remove_signal_handler = interrupted
    with draining(lambda number: None):
        await asyncio.sleep(0)

asyncio.run(main())
"""


def test_a_signal_while_handlers_are_put_back_goes_to_ours(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WHILE_HANDLERS_ARE_PUT_BACK]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ours\n", "")
