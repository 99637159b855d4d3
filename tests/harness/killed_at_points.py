"""Commands that are killed at chosen points and given again, until the job ends."""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from signal import SIGKILL
from typing import TypeAlias

from tests.harness.kill_scenarios import FIFTH_POST, SCENARIOS
from tests.harness.kill_verdict import Kills, RowEnd, broken, row_ends
from tests.support.commands_at_once import Command, Job, run_at_once
from tests.support.interruptions import signal_at_call
from tests.support.journalled_simulator import SimulatedService
from tests.support.kill_points import Point, kill_at, record_sites, rows_answered

AT_ONCE = 5
"""Jobs at one time in each process."""

CALLS_APART = 400
"""Calls between two points that are chosen by their number alone."""

MIDST_OF_MANY = 8
"""How often a command is killed in the midst of a call that executes many statements."""

CALLS = 20_000
"""About as many calls as a command with a small job makes."""

Moment: TypeAlias = Point | int
"""A point, or the number of a Python or C call."""


def before(moment: Moment) -> Callable[[], None]:
    """Kills the process of a command at this moment."""
    return partial(signal_at_call, SIGKILL, moment) if isinstance(moment, int) else partial(kill_at, moment)


def moments_of(sites: Sequence[str], calls: int, chance: random.Random, limit: int) -> list[Moment]:
    """At most `limit` moments at which a command with these sites is killed: first of all after each site's first call.

    `calls`: how many Python and C calls it makes.
    """
    counts = Counter(sites)
    firsts: list[Moment] = [Point(site, 1) for site in counts]
    for site in counts:
        if "Connection.executescript" in site or "Connection.backup" in site:  # many statements in one call
            firsts += [Point(site, 1, chance.uniform(0, 0.005)) for _ in range(MIDST_OF_MANY)]
    later: list[Moment] = []
    for site, count in counts.items():
        later += [Point(site, occurrence) for occurrence in sorted({2, count}) if 1 < occurrence <= count]
        if "Connection." in site or "fsync" in site or "replace" in site:  # these take some time
            later.append(Point(site, chance.randint(1, count), chance.uniform(0, 0.001)))
    later += range(CALLS_APART, calls, CALLS_APART)
    left = max(0, limit - len(firsts))
    return _spread(firsts, limit) + _spread(later, left)


def _spread(moments: Sequence[Moment], limit: int) -> list[Moment]:
    """At most so many of the moments, evenly spread."""
    count = min(limit, len(moments))
    return [moments[number * len(moments) // count] for number in range(count)]


class PointTrial:
    """Everything about one scenario in one folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.scenario, self.folder = name, SCENARIOS[name], folder
        self.kills = self.rows = 0
        self.violations = list[str]()
        self._expected: Mapping[int, RowEnd] = {}
        self._sites = list[str]()

    def run(self, part: int, parts: int, limit: int) -> None:
        """Kill at every `parts`-th of `limit` moments."""
        run_at_once([self._undisturbed, self._recorded], AT_ONCE)
        moments = moments_of(self._sites, CALLS if not self.scenario.until else 0, random.Random(self.name), limit)
        chosen = list(enumerate(moments))[part::parts]
        jobs = [
            partial(self._killed, number, one, moments[(number * 37 + 11) % len(moments)]) for number, one in chosen
        ]
        run_at_once(jobs, AT_ONCE)

    def _undisturbed(self, service: SimulatedService) -> Job:
        """The whole job, without a kill: what is to be expected."""
        kind, folder = self.scenario.kind, self.folder / "undisturbed"
        kind.write_rows(folder)
        service.begin("latency=0.005", *kind.simulator)
        commands = [kind.run(service.url), *([self.scenario.undisturbed] if self.scenario.undisturbed else [])]
        for arguments in commands:
            ended = yield Command(arguments, folder)
            assert ended.code in {0, 3}, ended
        self._expected, problems = row_ends(folder / "job")
        assert not problems

    def _recorded(self, service: SimulatedService) -> Job:
        """The command without a kill, to learn at which points it can be killed."""
        folder = self.folder / "recorded"
        yield from self._begin(service, folder, Kills())
        path = folder / "sites.json"
        ended = yield Command(self.scenario.arguments(service.url), folder, partial(record_sites, path))
        assert ended.code in {0, 3}, ended
        sites: list[str] = json.loads(path.read_text())
        until = self.scenario.until
        last = next((at for at, site in enumerate(sites) if until and site.startswith(until)), len(sites))
        self._sites = sites[:last]

    def _begin(self, service: SimulatedService, folder: Path, kills: Kills) -> Job:
        """What comes before the command."""
        kind, scenario = self.scenario.kind, self.scenario
        kind.write_rows(folder)
        service.begin("latency=0.005", *kind.simulator)
        if scenario.is_killed_before:
            service.journal.session += 1
            ended = yield Command(kind.run(service.url), folder, partial(kill_at, FIFTH_POST))
            assert ended.was_killed, ended
            kills.add(service.journal.session, rows_answered(ended.stderr))
        if scenario.is_run_before:
            service.journal.session += 1
            ended = yield Command(kind.run(service.url), folder)
            assert ended.code in {0, 3}, ended
        if scenario.change is not None:
            scenario.change(folder)

    def _killed(self, number: int, first: Moment, second: Moment, service: SimulatedService) -> Job:
        """The command, killed at two moments, and given again."""
        folder, kills = self.folder / str(number), Kills()
        yield from self._begin(service, folder, kills)
        paid_before = {name: len(runs) for name, runs in service.journal.runs.items()}
        arguments, commands = self.scenario.arguments(service.url), 0
        problems = list[str]()
        for moment in (first, second, None):
            commands += 1
            service.journal.session += 1
            ended = yield Command(arguments, folder, None if moment is None else before(moment))
            if not ended.was_killed or moment is None:
                break
            kills.add(service.journal.session, rows_answered(ended.stderr))
        self.kills += kills.count
        if ended.code not in {0, 3}:
            problems.append(f"exit code {ended.code}: {ended.stderr[-500:]}")
        problems += broken(
            folder / "job", self._expected, service.journal, self.scenario.kind.names, kills,
            connections=self.scenario.kind.connections,
            may_be_paid=self._may_be_paid(paid_before, commands),
        )  # fmt: skip
        self.rows += len(self._expected)
        self.violations += [f"{self.name}, killed {first}, then {second}: {problem}" for problem in problems]

    def _may_be_paid(self, paid_before: Mapping[str, int], commands: int) -> Mapping[str, int]:
        """How many runs there may be for the inputs of each name."""
        kind, paid = self.scenario.kind, dict(self.scenario.kind.may_be_paid)
        if self.scenario.command is None or self.scenario.command[0] != "retry":
            return paid
        for row, name in kind.names.items():
            end = self._expected[row]
            if end.state != "completed" or self.name == "resubmit":
                paid[name] = paid_before.get(name, 0) + commands  # each `retry` submits it again
            else:
                paid[name] = 2 if kind.workflow == "flaky" else 1
        return paid
