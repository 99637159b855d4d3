"""Jobs that are killed at random moments, again and again, and then run to their end."""

import os
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.harness.kill_verdict import Kills, RowEnd, broken, row_ends
from tests.harness.killed_jobs import KINDS, JobKind
from tests.support.commands_at_once import Command, Job, Kill, run_at_once
from tests.support.journalled_simulator import SimulatedService

AT_ONCE = 6
"""Jobs at one time in each process."""

MOST_KILLS = 6
"""Of one job. It may come to its end before."""

PORTS = 20_000 + os.getpid() % 120 * 100
"""The first of a hundred ports for the callbacks of this process, below those that the system gives to connections."""


def larger(kind: JobKind) -> JobKind:
    """A job with so many rows that it can be killed several times in the midst of them."""
    return replace(kind, rows=8 if kind.variants else 32, rps=40)


class RandomTrial:
    """Jobs of one kind."""

    def __init__(self, name: str, folder: Path) -> None:
        self.kind, self.folder = larger(KINDS[name]), folder
        self.kills = self.rows = self.jobs = self.in_doubt = 0
        self.violations = list[str]()
        self._expected: Mapping[int, RowEnd] = {}

    def run(self, seeds: Iterable[int]) -> None:
        """Run a job for each seed."""
        run_at_once([self._undisturbed], 1)
        run_at_once([partial(self._killed, seed) for seed in seeds], AT_ONCE)

    def _undisturbed(self, service: SimulatedService) -> Job:
        folder = self.folder / "undisturbed"
        yield from self._begin(service, folder)
        ended = yield Command(self._run(self.kind, service, 99), folder)
        assert ended.code in {0, 3}, ended
        self._expected, problems = row_ends(folder / "job")
        assert not problems

    def _begin(self, service: SimulatedService, folder: Path, latency: float = 0.005) -> Job:
        service.begin(f"latency={latency}", *self.kind.simulator)
        if self.kind.reused:
            self.kind.write_rows(folder, self.kind.reused)
            earlier = replace(self.kind, options=("--key", "id")).run(service.url, "old")
            ended = yield Command(earlier, folder)
            assert ended.code in {0, 3}, ended
        self.kind.write_rows(folder)

    def _run(self, kind: JobKind, service: SimulatedService, seed: int) -> tuple[object, ...]:
        if not kind.callbacks:
            return kind.run(service.url)
        address = f"127.0.0.1:{PORTS + seed % 100}"
        return (*kind.run(service.url), "--callback-url", f"http://{address}/hooks", "--callback-listen", address)

    def _killed(self, seed: int, service: SimulatedService) -> Job:
        chance, kills, folder = random.Random(seed), Kills(), self.folder / str(seed)
        kind = replace(self.kind, connections=chance.choice((1, 2, 4, 8)), rps=chance.choice((30, 50, 80)))
        yield from self._begin(service, folder, chance.choice((0.0, 0.01, 0.05)))
        run, moments = self._run(kind, service, seed), list[str]()
        for number in range(1, MOST_KILLS + 1):
            service.journal.session = number
            kill = _kill(chance)
            begun = (folder / "job" / "job.toml").exists()
            arguments = ("resume", "job") if begun and chance.random() < 0.5 else run
            ended = yield Command(arguments, folder, kill=kill)
            if not ended.was_killed:
                break
            moments.append(f"{arguments[0]} {kill}")
            kills.add(number)
        if ended.was_killed:
            service.journal.session += 1
            ended = yield Command(run, folder)
        problems = [] if ended.code in {0, 3} else [f"exit code {ended.code}: {ended.stderr[-500:]}"]
        problems += broken(
            folder / "job", self._expected, service.journal, kind.names, kills,
            connections=kind.connections, may_be_paid=kind.may_be_paid,
        )  # fmt: skip
        self.kills += kills.count
        self.rows += len(self._expected)
        self.jobs += 1
        self.violations += [f"{kind.name}, seed {seed}, killed {', '.join(moments)}: {one}" for one in problems]


def _kill(chance: random.Random) -> Kill:
    if chance.random() < 0.6:
        return Kill(chance.uniform(0, 0.3), after_post=True)
    return Kill(chance.uniform(0.02, 1.3), after_post=False)
