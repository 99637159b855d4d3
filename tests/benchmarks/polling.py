"""How many runs a shared quota carries, and how soon their ends are known: the learned schedule against doubling ones.

A simulation of events over the real `domain.schedule` and `domain.backoff`, a seed a run: a permit every 1/49 s
(a quota of 50 less the pacer's margin) goes to a submission or to the poll that is most overdue, in turns where both
wait, as the pacer gives them. Lag is the time from the end of a run at the service to the poll that finds it.

Intervals that double (1 → 30 s) are given as many submissions as leave their polls in time: they then use 97 % of the
quota. The learned schedule is given 1.5 and 2 times as many. Beyond that, polls are late with either schedule, which
makes them fewer: then the quota, or `--max-in-flight`, gives the runs a second whatever the schedule. That is shown as
well, and so are whole jobs in virtual time with the real engine, pacers and checkpoint.
"""

import heapq
import json
import math
import random
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchrun.domain.duration_survival import RunSpan
from batchrun.domain.poll_plan import PollBounds
from batchrun.domain.poll_schedule import EXPLORE_EVERY, PollSchedule
from tests.benchmarks.table import Line
from tests.support.rehearsal import Rehearsal

QUOTA, USED = 49.0, 0.97
BOUNDS = PollBounds(1.0, 30.0)
KEPT = Path(__file__).with_name("polling.json")
"""One run of each, for the plot."""

SIMULATED = {
    "lognormal, median 20 s, p95 75 s": "lognormal:20,75",
    "tight, 30 ± 4 s": "normal:30,4",
    "two modes, 80 % 3 s, 20 % 120 s": "bimodal:3,120,0.2",
}


def duration(kind: str, chance: random.Random) -> float:
    """Seconds that one run takes."""
    if kind.startswith("lognormal"):
        return 20 * math.exp(chance.gauss(0, 1) * math.log(75 / 20) / 1.645)
    if kind.startswith("tight"):
        return max(1.0, chance.gauss(30, 4))
    return max(0.5, chance.gauss(3, 0.5)) if chance.random() < 0.8 else max(60.0, chance.gauss(120, 10))


@dataclass(frozen=True, slots=True)
class Ended:
    """One run, by the time of its submission."""

    begun: float
    found: float
    lag: float
    polls: int


@dataclass(slots=True)
class _Running:
    begun: float
    duration: float
    seen_running_at: float | None = None
    polls: int = 0


def story(
    kind: str, seed: int, rate: float, *, learns: bool, rows: int = 6000, places: int = 100_000, drift: float = 1.0
) -> list[Ended]:
    """One job at `rate` submissions a second; from its middle on, runs take `drift` times as long."""
    chance, schedule = random.Random(f"{kind}:{seed}"), PollSchedule(BOUNDS, 0.0, learns=learns)
    running, on_run_ended, queue = dict[int, _Running](), list[Ended](), list[tuple[float, int, float]]()
    now, submitted, next_one, polls_turn = 0.0, 0, 0.0, True
    while len(on_run_ended) < rows:
        now += 1 / QUOTA
        poll = bool(queue) and queue[0][0] <= now
        submit = submitted < rows and len(running) < places and next_one <= now
        if poll and submit:
            poll, polls_turn = polls_turn, not polls_turn
        if poll:
            due, row, wait = heapq.heappop(queue)
            schedule.on_poll(wait, now - due)
            run = running[row]
            run.polls += 1
            lag = now - run.begun - run.duration
            if lag >= 0:
                del running[row]
                on_run_ended.append(Ended(run.begun, now, lag, run.polls))
                schedule.on_run_ended(RunSpan(run.begun, run.begun + run.duration))
                if schedule.wants_plan(now):
                    found = [RunSpan(one.begun, one.seen_running_at) for one in running.values() if one.seen_running_at]
                    schedule.learn(found, 1, now)
                continue
            run.seen_running_at = now
        elif submit:
            next_one = max(next_one + 1 / rate, now - 1.0)
            row, submitted = submitted, submitted + 1
            run = running[row] = _Running(now, duration(kind, chance) * (drift if submitted > rows // 2 else 1.0))
        else:
            continue
        explore = row % EXPLORE_EVERY == EXPLORE_EVERY - 1
        wait = schedule.wait(run.polls, now - run.begun, chance.random(), explore=explore)
        heapq.heappush(queue, (now + wait, row, wait))
    return sorted(on_run_ended, key=lambda one: one.begun)


def measure(runs: int, short: bool) -> list[Line]:
    """The table's lines."""
    rows, seeds = (3000 if short else 9000), range(runs)
    lines, plots = list[Line](), dict[str, dict[str, list[list[float]]]]()
    for kind in SIMULATED:
        rate = carried(kind)
        steady = slice(rows // 2, rows * 3 // 4)  # learned, and while rows are still submitted
        doubled = [story(kind, seed, rate, learns=False, rows=rows)[steady] for seed in seeds]
        plots[kind] = {"exponential": curve(doubled[0])}
        for times, must, goal in ((1.0, None, None), (1.5, 1.0, 0.5), (2.0, None, None)):
            learned = [story(kind, seed, times * rate, learns=True, rows=rows)[steady] for seed in seeds]
            plots[kind][f"learned, {times:g} × the runs"] = curve(learned[0])
            lines.append(
                Line(
                    f"shared quota 50/s, {kind}: lag at {times:g} × the runs/s",
                    ratios(learned, doubled, mean_lag),
                    "×",
                    must=must,
                    goal=goal,
                    note=f"against doubling intervals at {rate:.1f} runs/s, their polls in time "
                    f"({mean_lag(doubled[0]):.1f} s of lag, {mean_polls(doubled[0]):.1f} polls a run)",
                )
            )
        lines.append(most_carried(kind, rate, [mean_lag(one) for one in doubled], rows, steady))
        lines += [drifted(kind, rate, drift, rows, seeds) for drift in (2.0, 0.5)]
        lines += saturated(kind, rows, seeds)
    if not short:
        lines += whole_jobs()
        KEPT.write_text(json.dumps(plots, ensure_ascii=False, separators=(",", ":")) + "\n")
    return lines


def carried(kind: str) -> float:
    """The submissions a second that leave the polls at doubling intervals in time."""
    polls = mean_polls(story(kind, 0, 1.0, learns=False, rows=3000))
    return USED * QUOTA / (1 + polls)


def most_carried(kind: str, rate: float, lags: Sequence[float], rows: int, steady: slice) -> Line:
    """How many times the runs the learned schedule carries at no more lag."""
    found = []
    for seed, lag in enumerate(lags):
        times = 1.0
        while times < 3 and mean_lag(story(kind, seed, (times + 0.1) * rate, learns=True, rows=rows)[steady]) <= lag:
            times += 0.1
        found.append(round(times, 1))
    return Line(
        f"shared quota 50/s, {kind}: runs/s at no more lag",
        found,
        "×",
        ">=",
        1.5,
        2.0,
        f"learned against doubling intervals at {rate:.1f} runs/s, in steps of a tenth",
    )


def drifted(kind: str, rate: float, drift: float, rows: int, seeds: Sequence[int]) -> Line:
    """What a change of the durations in the middle does to the lag of those after it."""
    after = slice(rows // 2, None)
    learned, doubled = (
        [story(kind, seed, rate, learns=learns, rows=rows, drift=drift)[after] for seed in seeds]
        for learns in (True, False)
    )
    word = "double" if drift > 1 else "halve"
    return Line(
        f"the same when durations {word}: p95 of the lag",
        ratios(learned, doubled, p95_lag),
        "×",
        must=1.5,
        goal=1.0,
        note=f"{kind}; both at {rate:.1f} submissions/s; doubling intervals: {p95_lag(doubled[0]):.0f} s",
    )


def saturated(kind: str, rows: int, seeds: Sequence[int]) -> list[Line]:
    """A job that submits as fast as it may: 500 places and the quota bind, and late polls are fewer by themselves."""
    steady = slice(rows // 3, rows * 3 // 4)
    learned, doubled = (
        [story(kind, seed, QUOTA, learns=learns, rows=rows, places=500)[steady] for seed in seeds]
        for learns in (True, False)
    )
    note = f"{kind}; doubling intervals: {pace(doubled[0]):.1f} runs/s, {mean_lag(doubled[0]):.1f} s of lag"
    return [
        Line("the same with every place taken (-j 500): runs/s", ratios(learned, doubled, pace), "×", ">=", note=note),
        Line("the same with every place taken (-j 500): lag", ratios(learned, doubled, mean_lag), "×", note=note),
    ]


def whole_jobs(rows: int = 2000) -> list[Line]:
    """The whole product in virtual time, one seed: at 1.5 times the runs/s."""
    lines = []
    for kind, simulated in SIMULATED.items():
        rate = carried(kind)
        learned = rehearsed(simulated, rows, rate * 1.5, "learned")
        doubled = rehearsed(simulated, rows, rate, "exponential")
        lines.append(
            Line(
                "whole job, shared quota 50/s: lag at 1.5 × the runs/s",
                [learned / doubled],
                "×",
                must=1.0,
                goal=0.5,
                note=f"{kind}; engine, pacers and checkpoint in virtual time, {rows} rows; {learned:.1f} s "
                f"against {doubled:.1f} s at doubling intervals",
            )
        )
    return lines


def rehearsed(simulated: str, rows: int, rate: float, schedule: str) -> float:
    """The mean lag of the runs after the first quarter, those included that end when all are submitted."""
    with tempfile.TemporaryDirectory() as folder:
        job = Rehearsal(Path(folder), rows, f"duration={simulated}")
        job.run(rps=rate, poll_rps=50, total_rps=50, max_in_flight=5000, poll_schedule=schedule)
        lags: list[float] = [
            (row["finished_at"] - row["updated_at"]).total_seconds()
            for number, row in job.outputs().items()
            if number >= rows // 4
        ]
        return statistics.mean(lags)


def ratios(
    ours: Sequence[Sequence[Ended]], theirs: Sequence[Sequence[Ended]], of: Callable[[Sequence[Ended]], float]
) -> list[float]:
    """Seed by seed."""
    return [round(of(one) / of(other), 3) for one, other in zip(ours, theirs, strict=True)]


def mean_lag(runs: Sequence[Ended]) -> float:
    """Seconds."""
    return statistics.mean(run.lag for run in runs)


def p95_lag(runs: Sequence[Ended]) -> float:
    """Seconds."""
    return statistics.quantiles((run.lag for run in runs), n=20)[-1]


def mean_polls(runs: Sequence[Ended]) -> float:
    """Polls a run."""
    return statistics.mean(run.polls for run in runs)


def pace(runs: Sequence[Ended]) -> float:
    """Runs whose end was found, a second."""
    found = sorted(run.found for run in runs)
    middle = found[len(found) // 4 : -len(found) // 4]
    return (len(middle) - 1) / (middle[-1] - middle[0])


def curve(runs: Sequence[Ended], points: int = 40) -> list[list[float]]:
    """[seconds, share of the ends that are known so many seconds later]."""
    lags = sorted(run.lag for run in runs)
    return [[round(lags[k * (len(lags) - 1) // points], 1), k / points] for k in range(points + 1)]
