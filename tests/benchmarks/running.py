"""Commands in processes of their own, and what they have used."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.server import ROOT, Server

BATCHRUN = str(Path(sys.executable).with_name("batchrun"))

LONGEST = 1800
"""Seconds after which a command is ended, and with it the benchmark."""

LAUNCHER = """
import json, os, signal, sys, threading, time
before = time.monotonic()
pid = os.posix_spawn(sys.argv[3], sys.argv[3:], os.environ)
signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
signal.alarm(int(sys.argv[2]))
tick = os.sysconf("SC_CLK_TCK")
threads, actors = {}, {}
def watch():
    while True:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                name, _, rest = open(f"/proc/{pid}/task/{thread}/stat").read().partition("(")[2].rpartition(")")
                fields = rest.split()
                threads[thread] = (name, (int(fields[11]) + int(fields[12])) / tick)
        except OSError:
            pass
        for process in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
            try:
                name, _, rest = open(f"/proc/{process}/stat").read().partition("(")[2].rpartition(")")
            except OSError:
                continue
            if name.startswith(("ray::Worker", "ray::InstantWor")):
                fields = rest.split()
                actors[process] = (int(fields[11]) + int(fields[12])) / tick
        time.sleep(0.2)
threading.Thread(target=watch, daemon=True).start()
os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
wall = time.monotonic() - before
try:
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / tick
except OSError:
    own = None
_, status, used = os.wait4(pid, 0)
scale = 1 if sys.platform == "darwin" else 1024
cpu = used.ru_utime + used.ru_stime
found = {"cpu": cpu, "own": cpu if own is None else own, "wall": wall, "rss": used.ru_maxrss * scale}
found["actors"] = sum(list(actors.values()))
found["loop"] = threads.get(str(pid), ("", 0.0))[1]
main = threads.pop(str(pid), ("", 0.0))[0]
found["python"] = sum(spent for name, spent in list(threads.values()) if name == main)
open(sys.argv[1], "w").write(json.dumps(found))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""A process as small as can be between us and the command: the peak memory of a new process counts from that of the
one that started it."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a command has used. `cpu` (user and system) and `wall` in seconds, `rss`: its peak memory in bytes.

    `own`: the part of `cpu` that is not of processes which it has started and waited for, where the system tells it.
    `loop`: the part of `own` of its first thread. `python`: of its other threads that have no name of their own, as
    those of Python; both where the system tells it. `actors`: of all actors of Ray on the machine.
    `said`: the JSON object that it printed. `stats`: what the service had counted when it ended.
    """

    cpu: float
    own: float
    wall: float
    rss: int
    loop: float
    python: float
    actors: float
    said: dict[str, Any] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)


def run(words: Sequence[object], server: Server | None = None, cwd: Path = ROOT) -> Used:
    """Run a command to its end; raises RuntimeError, with what it said, where its exit code is not 0."""
    with tempfile.TemporaryDirectory() as scratch:
        found = Path(scratch, "used.json")
        launched = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(found), str(LONGEST), *map(str, words)]
        done = subprocess.run(
            launched,
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST + 60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        said = json.loads(done.stdout) if done.stdout.startswith("{") else {}
        return Used(**json.loads(found.read_text()), said=said, stats=server.stats() if server else {})


def module(name: str, server: Server, *words: object) -> Used:
    """Run a module of the benchmarks; it is told the service's address, and prints JSON."""
    return run([sys.executable, "-m", f"tests.benchmarks.{name}", server.url, *words], server)


def batchrun(server: Server, rows: Path, *options: object) -> Used:
    """Run the installed command on `rows`, in a new run directory next to it, without any limit of our own."""
    with tempfile.TemporaryDirectory(dir=rows.parent) as folder:
        job = [BATCHRUN, "run", rows, "--workflow-id", "w", "-o", Path(folder, "run"), "--base-url", server.url]
        fast = ["--rps", 1_000_000, "--poll-rps", 1_000_000, "--progress", "none", "--json", "-q"]
        return run([*job, *fast, *options], server, rows.parent)


def environment() -> dict[str, str]:
    """Ours, with a token and nothing that would change batchrun's options."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BATCHRUN_", "COZE_"))}
    return kept | {"COZE_API_TOKEN": "token", "DO_NOT_TRACK": "1"}


def processor_seconds(command: str) -> float:
    """What all processes with this text in their command line have used, user and system; Linux only."""
    spent = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if command.encode() in (process / "cmdline").read_bytes():
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent


@contextmanager
def inputs(*sizes: int) -> Iterator[dict[int, Path]]:
    """CSV files of so many rows, with a text of 100 characters each, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for size in set(sizes):
            found[size] = Path(folder, f"{size}.csv")
            with found[size].open("w") as file:
                file.write("id,text\n")
                file.writelines(f"{row},{'some text of a row ' * 5}{row % 977:05d}\n" for row in range(size))
        yield found


@dataclass(frozen=True, slots=True)
class Cost:
    """What a row costs, in seconds; `last`: the run of most rows. For the others see `Used`."""

    cpu: float
    own: float
    loop: float
    python: float
    actors: float
    wall: float
    last: Used


def cost(measure: Callable[[int], Used], rows: int, short: bool) -> Cost:
    """What a row costs between `rows` and 3 × `rows` of them: what a command needs to start and to end falls out.

    `short`: what it costs with so many, start and end included, which says little.
    """
    small = measure(rows)
    if short:
        return Cost(**{of: getattr(small, of) / rows for of in _COSTS}, last=small)
    large = measure(3 * rows)
    return Cost(**{of: (getattr(large, of) - getattr(small, of)) / (2 * rows) for of in _COSTS}, last=large)


_COSTS = ("cpu", "own", "loop", "python", "actors", "wall")
