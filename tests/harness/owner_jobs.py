"""Small jobs whose run directory is wanted by several commands, and a command that is stopped on the way."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from tests.harness.kill_scenarios import FIFTH_POST
from tests.harness.kill_verdict import Kills, RowEnd, broken, row_ends
from tests.harness.killed_jobs import KINDS, JobKind
from tests.support.command import TIMEOUT, RunningCommand, batchrun, started
from tests.support.journalled_simulator import SimulatedService
from tests.support.kill_points import Point, kill_at, record_sites, stop_at

KIND: JobKind = KINDS["async"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two commands, and what is in the directory before them."""

    before: str
    """`nothing`, a job that was `killed`, or one that has `ended`."""
    first: str
    second: str

    @property
    def may_be_paid(self) -> Mapping[str, int]:
        """How many runs there may be for the same inputs: a job that begins anew pays again, and so does a retry."""
        both = self.first, self.second
        return dict.fromkeys(KIND.names.values(), 1 + both.count("--fresh") + both.count("retry"))

    def __str__(self) -> str:
        return f"{self.first} and {self.second} (before: {self.before})"


def arguments(name: str, url: str) -> tuple[object, ...]:
    """The command line of `run`, `resume`, `retry`, or `--fresh` for a run that begins anew."""
    if name in {"resume", "retry"}:
        return (name, "job")
    return (*KIND.run(url), "--fresh") if name == "--fresh" else KIND.run(url)


def real_time() -> float:
    """The clock by which other processes live."""
    return time.monotonic()  # noqa: TID251


@contextmanager
def stopped(words: tuple[object, ...], folder: Path, point: Point, name: str = "reached") -> Iterator[RunningCommand]:
    """A command that is stopped at a point, if it comes there before it ends."""
    reached, deadline = folder / name, real_time() + TIMEOUT
    with started(*words, cwd=folder, before=partial(stop_at, point, reached)) as process:
        while not (reached.exists() and _is_stopped(process)) and process.poll() is None:
            assert real_time() < deadline
            time.sleep(0.002)  # noqa: TID251 - another process runs in real time
        reached.unlink(missing_ok=True)
        yield process


def _is_stopped(process: RunningCommand) -> bool:
    done = subprocess.run(["ps", "-o", "state=", "-p", str(process.pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip().startswith("T")


def go_on(*processes: RunningCommand) -> None:
    """Let stopped commands go on."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)


def snapshot(folder: Path) -> Mapping[str, tuple[int, int, str]]:
    """Every file and folder: its inode, the time of its last change, and a digest of what is in it."""
    found = {}
    for path in folder.rglob("*"):
        about = path.lstat()
        content = sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(folder))] = (about.st_ino, about.st_mtime_ns, content)
    return found


class OwnerTrial:
    """Trials with jobs of one kind, each in a folder of its own."""

    def __init__(self, pair: Pair, service: SimulatedService, folder: Path) -> None:
        self.pair, self.service, self.folder = pair, service, folder
        self.tried = 0
        self.violations = list[str]()
        self._expected: Mapping[int, RowEnd] = {}

    def begin(self, folder: Path, before: str) -> Kills:
        """Make what is in the folder before."""
        KIND.write_rows(folder)
        self.service.begin("latency=0.005", *KIND.simulator)
        kills, run = Kills(), KIND.run(self.service.url)
        if before == "killed":
            done = batchrun(*run, cwd=folder, before=partial(kill_at, FIFTH_POST))
            assert done.returncode == -9, done.stderr
            kills.add()
        elif before == "ended":
            done = batchrun(*run, cwd=folder)
            assert done.returncode == 3, done.stderr
        return kills

    def sites(self) -> list[str]:
        """The sites of the first command, in their order."""
        folder = self.folder / "recorded"
        self.begin(folder, self.pair.before)
        words = arguments(self.pair.first, self.service.url)
        done = batchrun(*words, cwd=folder, before=partial(record_sites, folder / "sites.json"))
        assert done.returncode in {0, 3}, done.stderr
        sites: list[str] = json.loads((folder / "sites.json").read_text())
        return sites

    def problems(self, folder: Path, kills: Kills, job: str = "job") -> Iterator[str]:
        """Bring the job to its end, and tell what is wrong with it."""
        done = batchrun(*KIND.run(self.service.url, job), cwd=folder)
        if done.returncode not in {0, 3}:
            yield f"afterwards exit code {done.returncode}: {done.stderr[-300:]}"
            return
        yield from broken(
            folder / job, self.expected, self.service.journal, KIND.names, kills,
            connections=KIND.connections, may_be_paid=self.pair.may_be_paid,
        )  # fmt: skip

    @property
    def expected(self) -> Mapping[int, RowEnd]:
        """How the rows of an undisturbed job end."""
        if not self._expected:
            raise RuntimeError("call `undisturbed` first")
        return self._expected

    def undisturbed(self) -> None:
        """Run the job undisturbed."""
        folder = self.folder / "undisturbed"
        self.begin(folder, "ended")
        self._expected, problems = row_ends(folder / "job")
        assert not problems
