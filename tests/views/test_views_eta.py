"""The ETA of whole jobs, in virtual time: how far it is from what was left."""

from pathlib import Path
from statistics import median
from typing import Any

import pytest

from batchrun.ports import Request, TransportError
from batchrun.views.progress_events import Event, Progress
from batchrun.views.progress_stream import EventView
from tests.support.rehearsal import Rehearsal


def told(rehearsal: Rehearsal, **options: Any) -> list[tuple[float, float]]:
    """The ETAs of a session, each with the seconds that were left."""
    events: list[Event] = []
    rehearsal.view = EventView(events.append, rehearsal.clock)
    rehearsal.run(**options)
    progress = [event for event in events if isinstance(event, Progress)]
    end = progress[-1].elapsed_s
    return [(one.eta_s, end - one.elapsed_s) for one in progress[:-1] if one.eta_s is not None]


@pytest.mark.parametrize(
    ("rows", "faults", "options", "bounds"),
    [
        (200, ["duration=30"], {"rps": 4}, (0.1, 1.2)),
        (300, ["duration=1"], {"rps": 16}, (0.15, 1.2)),
        (60, ["duration=3"], {"rps": 0.2}, (0.1, 1.2)),
        (300, ["duration=5", "rps=10"], {"rps": 20}, (0.25, 1.5)),
        (300, ["duration=lognormal:20,75"], {"rps": 50, "max_in_flight": 30}, (0.4, 3)),
        (300, ["duration=lognormal:5,15"], {"rps": 10, "mode": "sync"}, (0.4, 2)),
        (200, ["duration=lognormal:20,75"], {"rps": 50}, (1.5, 1.6)),  # hardly more than a tail
    ],
)
def test_the_eta_is_about_what_is_left(
    tmp_path: Path, rows: int, faults: list[str], options: dict[str, Any], bounds: tuple[float, float]
) -> None:
    """`bounds`: the median of the relative error over the job, and the factor by which the first ETA may be wrong."""
    error, first = bounds
    etas = told(Rehearsal(tmp_path, rows, *faults), **options)
    eta, left = etas[0]
    assert left / first < eta < left * first
    assert median(abs(eta - left) / left for eta, left in etas if left > 1) < error
    assert all(eta > 0 for eta, _ in etas), "rows are left"


def test_a_resumed_job_has_an_eta_of_its_own_session(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 300, "duration=lognormal:10,20")
    rehearsal.run(max_runtime=15, rps=8)
    etas = told(rehearsal, rps=4)
    assert median(abs(eta - left) / left for eta, left in etas if left > 1) < 0.4


def test_no_eta_is_told_while_the_service_is_unavailable_and_a_true_one_soon_after(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 200, "duration=2")
    events: list[Event] = []
    rehearsal.view = EventView(events.append, rehearsal.clock)
    began = rehearsal.clock.now()

    def answer(_: Request) -> TransportError | None:
        is_out = 15 < (rehearsal.clock.now() - began) / 1000 < 60
        return TransportError("connection refused", sent=False) if is_out else None

    rehearsal.answer = answer
    rehearsal.run(rps=5)
    during = [event for event in events if isinstance(event, Progress) and 30 < event.elapsed_s < 45]
    assert during
    assert all(event.eta_s is None for event in during)
    progress = [event for event in events if isinstance(event, Progress)]
    end = progress[-1].elapsed_s
    after = [event for event in progress if event.elapsed_s > 80 and event.queued]
    assert len(after) > 5
    for event in after:
        assert event.eta_s == pytest.approx(end - event.elapsed_s, rel=0.5), "it is not taken for a slow service"
