"""Jobs on workers of this machine, for tests that kill them."""

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.command import BATCHRUN, batchrun, environment

START = 150.0
"""Seconds in which Ray and a worker start on a busy machine."""


@contextmanager
def alone() -> Iterator[None]:
    """Until the block ends, no other test starts Ray: two at once take too long to start on a small machine."""
    with Path(tempfile.gettempdir(), f"batchrun-ray-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def ray_folder() -> Iterator[Path]:
    """A folder for Ray. Its path is short, because a socket can have no long one."""
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def started(folder: Path, url: str, ray: Path, *more: str) -> "subprocess.Popen[str]":
    """A job on two workers, where the environment names a Ray that is not there."""
    command = [
        BATCHRUN, "run", "rows.csv", "--workflow-id", "echo", "--base-url", url, "-o", "job", "--rps", "30",
        "--poll-initial", "0.2", "--progress", "none", "--json", "--workers", "2", *more,
    ]  # fmt: skip
    env = environment(RAY_TMPDIR=str(ray), RAY_ADDRESS="127.0.0.1:1")
    return subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def status(folder: Path) -> dict[str, Any]:
    """What `status` says of the job; empty if it has not begun."""
    done = batchrun("status", "job", "--json", cwd=folder)
    found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    return found


def wait_for(folder: Path, completed: int) -> dict[str, Any]:
    """Wait until so many rows have completed, and return the status."""
    end = time.monotonic() + START  # noqa: TID251 - of another process
    while time.monotonic() < end:  # noqa: TID251
        found = status(folder)
        if found.get("completed", 0) >= completed and found.get("workers"):
            return found
        time.sleep(0.2)  # noqa: TID251
    raise AssertionError(f"the job does not get on: {found}")
