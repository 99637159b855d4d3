"""Commands that ask for one run directory in the same instant."""

import random
from contextlib import ExitStack

from tests.harness.owner_jobs import OwnerTrial, arguments, go_on, real_time, stopped
from tests.support.kill_points import Point

BEFORE_THE_LOCK = Point("posix.open at adapters/files/lock.py", 1)
"""The last point before a command asks for the lock."""


SAME_INSTANT = 0.001
"""Seconds. A round in which the commands were further apart, on a busy machine, is not counted."""


class Races(OwnerTrial):
    """Rounds of one pair of commands."""

    def run(self, seed: int) -> None:
        """One round: two or three commands are stopped before they ask for the lock, and go on together."""
        chance, folder, url = random.Random(seed), self.folder / str(seed), self.service.url
        kills = self.begin(folder, self.pair.before)
        no_job = (
            {2} if self.pair.before == "nothing" and "resume" in {self.pair.first, self.pair.second} else set[int]()
        )
        names = [self.pair.first, self.pair.second, *([self.pair.second] if chance.random() < 0.3 else [])]
        with ExitStack() as stack:
            commands = [
                stack.enter_context(stopped(arguments(name, url), folder, BEFORE_THE_LOCK, f"reached-{number}"))
                for number, name in enumerate(names)
            ]
            chance.shuffle(commands)
            began = real_time()
            go_on(*commands)
            apart = real_time() - began
            ended = [(command.wait(), command.communicate()[1][-300:]) for command in commands]
        problems = [f"exit code {code}: {said}" for code, said in ended if code not in {0, 3, 75} | no_job]
        problems += [f"one said: {said}" for code, said in ended if code == 75 and "nothing was changed" not in said]
        if {code for code, _ in ended} == {75}:
            problems.append("none of them has worked")
        problems += self.problems(folder, kills)
        self.tried += apart < SAME_INSTANT
        self.violations += [f"{self.pair}, in the same instant, seed {seed}: {problem}" for problem in problems]
