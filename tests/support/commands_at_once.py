"""Runs many jobs at once in one thread, each of them a sequence of commands, because commands mostly wait.

A job is a generator: it yields the next command, and gets back how that ended.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from time import monotonic as now  # noqa: TID251 - other processes run in real time
from typing import TypeAlias

from tests.support.command import TIMEOUT, RunningCommand, batchrun, started
from tests.support.journalled_simulator import SimulatedService, simulated_service

LOOK = 0.005
"""Seconds between two looks at what the service has received."""


@dataclass(frozen=True, slots=True)
class Kill:
    """When a command is killed."""

    seconds: float
    after_post: bool
    """Whether the seconds count from the next POST that the service receives, and not from the start of the command."""

    def __str__(self) -> str:
        return f"{self.seconds:.3f} s after the {'next POST' if self.after_post else 'start'}"


@dataclass(frozen=True, slots=True)
class Command:
    """A command to run."""

    arguments: tuple[object, ...]
    cwd: Path
    before: Callable[[], None] | None = None
    """Called in its process first."""
    kill: Kill | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.code == -9


Job: TypeAlias = Generator[Command, Ended, None]


class _Running:
    """A job, and its command that runs now."""

    def __init__(self, job: Job, service: SimulatedService) -> None:
        self.job, self.service = job, service
        self.stack = ExitStack()
        self.process: RunningCommand
        self.is_over = False
        self.proceed(None)

    def proceed(self, ended: Ended | None) -> None:
        """Start the next command of the job."""
        self.stack.close()
        try:
            command = next(self.job) if ended is None else self.job.send(ended)
        except StopIteration:
            self.is_over = True
            return
        self.process = self.stack.enter_context(started(*command.arguments, cwd=command.cwd, before=command.before))
        self._kill, self._until = command.kill, now() + TIMEOUT
        self._posts = self.service.journal.received
        if command.kill is not None and not command.kill.after_post:
            self._schedule(command.kill)

    def _schedule(self, kill: Kill) -> None:
        self._until, self._kill = now() + kill.seconds, None

    def look(self) -> None:
        """Kill the command when it is time, and go on with the job when it has ended."""
        if self.process.poll() is not None:
            stdout, stderr = self.process.communicate()
            self.proceed(Ended(self.process.wait(), stdout, stderr))
            return
        if self._kill is not None and self.service.journal.received > self._posts:
            self._schedule(self._kill)
        if now() >= self._until:
            self.process.kill()


def run_at_once(jobs: Iterable[Callable[[SimulatedService], Job]], limit: int) -> None:
    """Run all jobs, `limit` at a time, each with a service of its own."""
    batchrun("--version", cwd=Path.cwd())  # the first command starts the process from which the others are forked
    waiting = iter(jobs)
    with ExitStack() as stack:
        free = [stack.enter_context(simulated_service()) for _ in range(limit)]
        running = list[_Running]()
        try:
            while True:
                while free and (job := next(waiting, None)) is not None:
                    service = free.pop()
                    running.append(_Running(job(service), service))
                if not running:
                    return
                wait([one.process.sentinel for one in running if not one.is_over], LOOK)
                for one in running:
                    if not one.is_over:
                        one.look()
                free += [one.service for one in running if one.is_over]
                running = [one for one in running if not one.is_over]
        finally:
            for one in running:
                one.stack.close()
