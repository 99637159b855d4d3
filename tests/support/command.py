"""The installed command, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BATCHRUN = str(Path(sys.executable).with_name("batchrun"))
SECRET = "tok-" + "s3cret" * 3
PATIENCE = 60.0


def environment(**more: str) -> dict[str, str]:
    """The environment of a command: ours, with a token and nothing that would change its options."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BATCHRUN_", "COZE_"))}
    return kept | {"COZE_API_TOKEN": SECRET} | more


def batchrun(*arguments: object, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [BATCHRUN, *map(str, arguments)],
        cwd=cwd,
        env=env or environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def started(*arguments: object, cwd: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start the command; it is ended with the block, if it has not ended by itself."""
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
        process.communicate(timeout=PATIENCE)


@contextmanager
def simulator(cwd: Path, *options: object) -> Iterator["Service"]:
    """The simulator as a server in another process."""
    with started("simulate", "--port", 0, *options, cwd=cwd) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://127.0.0.1:" in line, line
        yield Service("http://" + line.split("http://")[1].split()[0], process)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


class Service:
    """A simulator as its users see it."""

    def __init__(self, base_url: str, process: "subprocess.Popen[str]") -> None:
        self.base_url = base_url
        self.process = process

    def stats(self) -> dict[str, int]:
        """What it has counted."""
        with urllib.request.urlopen(f"{self.base_url}/simulator/stats", timeout=10) as answer:
            counts: dict[str, int] = json.load(answer)
            return counts

    def wait_for(self, name: str, at_least: int) -> None:
        """Wait until a count is reached."""
        deadline = time.monotonic() + PATIENCE  # noqa: TID251 - another process's time is real
        while self.stats()[name] < at_least:
            assert time.monotonic() < deadline, f"{name} never reached {at_least}"  # noqa: TID251 - likewise
            time.sleep(0.02)  # noqa: TID251 - likewise


def status(folder: Path) -> dict[str, Any]:
    """`batchrun status --json`."""
    done = batchrun("status", folder, "--json", cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    counts: dict[str, Any] = json.loads(done.stdout)
    return counts


def rows_file(folder: Path, count: int, name: str = "rows.csv") -> Path:
    """An input of so many rows."""
    path = folder / name
    path.write_text("id,text\n" + "".join(f"{number},row {number}\n" for number in range(count)))
    return path
