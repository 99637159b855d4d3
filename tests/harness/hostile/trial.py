"""Runs a command on a hostile file in a process of its own, measures its memory and time, and judges how it ended.

Whatever the file holds, the command must end with an exit code of the contract, say in plain lines what is wrong and in
which file, show no traceback, and take no more memory and time than allowed. Where a job ran, every row must be in
exactly one of the two files of results.
"""

import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from tests.support import command

MEMORY = 256 << 20
"""Bytes that a command may take beyond those of the process from which it is forked."""
SECONDS = 60
"""Seconds of processor time that a command may take. The machine may be busy, so time by the clock does not count."""
LONGEST = 240.0
"""Seconds by the clock after which a command has hung."""
CEILING = 16 << 30
"""Bytes of addresses that a command may use at most, so that a failing one does not take the machine with it."""
LINES = 14
"""Lines that a message may have: one for each of the first ten mistakes, how many more there are, and what to do."""

REFUSED, READ, NOT_SENT = 2, 0, 3
"""Exit codes: the file is refused; it is read; it is read, and rows of it cannot be sent or failed."""

SIMULATED = ("--workflow-id", "echo", "--simulate", "--sim", "duration=0", "--rps", 1000, "--poll-initial", 0.05)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `code`: its exit code, or the negative number of the signal that ended it."""

    code: int
    out: str
    error: str
    seconds: float
    """Of processor time."""
    memory: int
    """Bytes by which it took more memory than the process from which it was forked."""


def ended(folder: Path, *words: object) -> Ended:
    """Run a command in a folder, and measure it."""
    report = folder / ".measured"
    report.unlink(missing_ok=True)
    with command.started(*words, cwd=folder, before=partial(_measured, report)) as started:
        out, error = started.communicate(LONGEST + 30)
    code, seconds, memory = report.read_text().split()
    return Ended(int(code), out, error, float(seconds), int(memory))


def _measured(report: Path) -> None:
    """Go on in a child process only; write down how it ended."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (CEILING, CEILING))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        return
    # The command may also hang without any use of the processor.
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(int(LONGEST))
    _, status, usage = os.wait4(child, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    memory = (usage.ru_maxrss - before) * unit
    report.write_text(f"{os.waitstatus_to_exitcode(status)} {usage.ru_utime + usage.ru_stime} {memory}")
    os._exit(0)


def problems(
    done: Ended,
    named: str,
    codes: Sequence[int] = (READ, REFUSED, NOT_SENT),
    memory: int = MEMORY,
    seconds: int = SECONDS,
) -> Iterator[str]:
    """What is wrong with how a command ended. `named`: what a refusal must name."""
    if done.code not in codes:
        yield f"exit code {done.code} instead of {codes}: {_shortened(done.error)}"
    if "Traceback" in done.error or "Traceback" in done.out:
        yield f"a traceback: {_shortened(done.error)}"
    if done.code == REFUSED:
        if named not in done.error:
            yield f"the message does not name {named!r}: {_shortened(done.error)}"
        if len(done.error.splitlines()) > LINES or len(done.error) > 500 * LINES:
            yield f"a message of {len(done.error.splitlines())} lines, {len(done.error):,} characters"
    if done.memory > memory:
        yield f"{done.memory >> 20} MiB of memory"
    if done.seconds > seconds:
        yield f"{done.seconds:.0f} s of processor time"


def _shortened(text: str) -> str:
    return text if len(text) < 1000 else f"{text[:500]} … {text[-500:]}"


def job_problems(folder: Path, rows: int | None) -> Iterator[str]:
    """What is wrong with the results of a job that ended. `rows`: of its input, if that is known."""
    found = [
        row
        for name in ("outputs.parquet", "errors.parquet")
        for row in pq.read_table(folder / name, columns=["row"]).column("row").to_pylist()
    ]
    expected = len(found) if rows is None else rows
    if sorted(found) != [*range(expected)]:
        yield f"{expected} rows, and the files hold {len(found)}: {sorted(found)[:10]}"
