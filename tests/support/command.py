"""Runs the command in a separate process.

`installed_batchrun` and `installed_started` start the installed command. The others fork a process that has imported
everything already, because imports take most of the processor time of a short command.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from batchrun.cli.entry import main

BATCHRUN = str(Path(sys.executable).with_name("batchrun"))
SECRET = "tok-" + "s3cret" * 3
RUN_FAST = ("run", "rows.csv", "--workflow-id", "echo", "--simulate", "--sim", "duration=0", "--rps", "1000",
            "--poll-initial", "0.05")  # fmt: skip
"""A job that ends at once."""
TIMEOUT = 60.0
"""Seconds to wait for a command, or for the simulator to reach a state."""


def environment(**variables: str) -> dict[str, str]:
    """The current environment with a token, and without variables that set options of batchrun.

    The documented API is named, so that a stub server need not answer the request by which `--api auto` finds it out.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BATCHRUN_", "COZE_"))}
    return inherited | {"COZE_API_TOKEN": SECRET, "BATCHRUN_API": "v1"} | variables


FORK_SERVER = multiprocessing.get_context("forkserver")
FORK_SERVER.set_forkserver_preload(["tests.support.command", "tests.support.preloaded"])


def installed_batchrun(*arguments: object, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the installed command until it ends."""
    return subprocess.run(
        [BATCHRUN, *map(str, arguments)],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def batchrun(
    *arguments: object, cwd: Path, env: dict[str, str] | None = None, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command until it ends, in a process that has imported everything. `before` is called in it first."""
    with _forked(*arguments, cwd=cwd, env=env, before=before) as (process, output):
        command = RunningCommand(process, output)
        stdout, stderr = command.communicate()
        return subprocess.CompletedProcess([BATCHRUN, *map(str, arguments)], command.wait(), stdout, stderr)


@contextmanager
def _forked(
    *arguments: object, cwd: Path, env: dict[str, str] | None = None, before: Callable[[], None] | None = None
) -> Iterator[tuple[BaseProcess, tuple[Path, Path]]]:
    """The command in a forked process, and the files of its output. It is killed at the end if it still runs."""
    command = [BATCHRUN, *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        output = (Path(folder, "stdout"), Path(folder, "stderr"))
        for path in output:
            path.touch()  # the command may be killed before it opens them
        process = FORK_SERVER.Process(target=_command, args=(command, cwd, env or environment(), output, before))
        process.start()
        try:
            yield process, output
        finally:
            process.kill()
            process.join()
            process.close()


def _command(
    command: list[str], cwd: Path, env: dict[str, str], output: tuple[Path, Path], before: Callable[[], None] | None
) -> None:
    """Be the command, in a process of its own."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for descriptor, name in enumerate(output, start=1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), descriptor)
    sys.argv = command
    if before is not None:
        before()
    main()


class RunningCommand:
    """A command in a forked process, with the methods of `subprocess.Popen`."""

    def __init__(self, process: BaseProcess, output: tuple[Path, Path]) -> None:
        self._process, self._output = process, output
        self.pid = process.pid
        self.kill = process.kill
        self.sentinel = process.sentinel
        """Ready, for `multiprocessing.connection.wait`, when the command has ended."""
        self.returncode: int | None = None
        """What the last call of a method found."""

    def poll(self) -> int | None:
        """The exit code, or the negative number of the signal that ended it; None while it runs."""
        self.returncode = self._process.exitcode
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        assert self.pid is not None
        os.kill(self.pid, number)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Wait for its end and return its exit code; raises `TimeoutError`."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise TimeoutError
        return code

    def communicate(self, timeout: float = TIMEOUT) -> tuple[str, str]:
        """Wait for its end and return its standard output and error; raises `TimeoutError`."""
        self.wait(timeout)
        stdout, stderr = (path.read_text("utf-8", "backslashreplace") for path in self._output)
        return stdout, stderr


@contextmanager
def started(
    *arguments: object, cwd: Path, env: dict[str, str] | None = None, before: Callable[[], None] | None = None
) -> Iterator[RunningCommand]:
    """Start the command in a process that has imported everything. It is killed at the end if it still runs.

    `before` is called in it first.
    """
    with _forked(*arguments, cwd=cwd, env=env, before=before) as (process, output):
        yield RunningCommand(process, output)


@contextmanager
def installed_started(*arguments: object, cwd: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start the installed command, and kill it at the end of the context if it still runs."""
    process = subprocess.Popen(
        [BATCHRUN, *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=TIMEOUT)


@contextmanager
def simulator(cwd: Path, *options: object) -> Iterator["Service"]:
    """Run the simulator as a server in a separate process."""
    with _forked("simulate", "--port", 0, *options, cwd=cwd) as (process, (stdout, stderr)):
        deadline = time.monotonic() + TIMEOUT  # noqa: TID251 - another process runs in real time
        while not stdout.exists() or not (line := stdout.read_text().partition("\n"))[1]:
            assert process.exitcode is None and time.monotonic() < deadline, stderr.read_text()  # noqa: TID251, PT018
            time.sleep(0.01)  # noqa: TID251 - likewise
        assert "http://127.0.0.1:" in line[0], line
        yield Service("http://" + line[0].split("http://")[1].split()[0], process.pid or 0)
        process.terminate()
        process.join(TIMEOUT)


class Service:
    """A running simulator, accessed over HTTP."""

    def __init__(self, base_url: str, pid: int) -> None:
        self.base_url = base_url
        self.pid = pid

    def stats(self) -> dict[str, int]:
        """The statistics of the simulator."""
        with urllib.request.urlopen(f"{self.base_url}/simulator/stats", timeout=10) as answer:
            counts: dict[str, int] = json.load(answer)
            return counts

    def wait_for(self, name: str, at_least: int) -> None:
        """Wait until a statistic reaches a value."""
        deadline = time.monotonic() + TIMEOUT  # noqa: TID251 - another process runs in real time
        while self.stats()[name] < at_least:
            assert time.monotonic() < deadline, f"{name} never reached {at_least}"  # noqa: TID251 - likewise
            time.sleep(0.02)  # noqa: TID251 - likewise


def status(folder: Path) -> dict[str, Any]:
    """The output of `batchrun status --json`."""
    done = batchrun("status", folder, "--json", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts


def rows_file(folder: Path, count: int, name: str = "rows.csv") -> Path:
    """Write an input with `count` rows."""
    path = folder / name
    path.write_text("id,text\n" + "".join(f"{number},row {number}\n" for number in range(count)))
    return path
