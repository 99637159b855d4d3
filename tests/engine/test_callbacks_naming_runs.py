"""Callbacks that name the run of a row in doubt at an awkward moment, or that name the run of another row."""

from itertools import pairwise
from pathlib import Path

import msgspec

from batchrun.ports import Request, Response
from tests.support.rehearsal import CALLED_BACK, Rehearsal

THROTTLED = Response(429, b"", {"retry-after": "3"})


def callback_of(body: bytes) -> str:
    """The path of the callback address in this POST body."""
    url: str = msgspec.json.decode(body)["callback_url"]
    return url.removeprefix("http://127.0.0.1")


def naming(run_id: str) -> bytes:
    """The body of a callback that names this run."""
    return msgspec.json.encode({"run_id": run_id})


def run_of_another_job(rehearsal: Rehearsal) -> str:
    """The run_id of a run with other inputs at this service."""
    folder = rehearsal.folder / "another"
    folder.mkdir()
    another = Rehearsal(folder, [{"id": "elsewhere"}])
    another.store = rehearsal.store
    another.serve("duration=1")
    another.run()
    run_id: str = another.outputs()[0]["run_id"]
    return run_id


def test_a_callback_during_its_post_settles_the_doubt_that_follows(
    tmp_path: Path,
) -> None:
    faults = ["fault=slow:id=3", "slow_seconds=10", "fault=lost:id=3"]
    rehearsal = Rehearsal(tmp_path, 5, "duration=1", *faults)
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.exit_code, summary.completed) == (0, 5)


def test_the_right_run_id_counts_while_a_wrong_one_is_polled(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "latency=1", "fault=lost:id=3")
    wrong = run_of_another_job(rehearsal)
    right: list[tuple[str, bytes]] = []

    def deliver(path: str, body: bytes) -> list[tuple[str, bytes]]:
        if not path.startswith("/hooks/3."):
            return [(path, body)]
        right.append((path, body))
        return [(path, naming(wrong))]

    def polled(request: Request) -> None:
        if request.path.endswith(wrong) and right:
            rehearsal.receive_callback(*right.pop())

    rehearsal.deliver, rehearsal.answer = deliver, polled
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.exit_code, summary.completed) == (0, 5)


def test_the_run_of_another_row_settles_nothing_although_the_inputs_are_equal(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, [{"id": "the same"}] * 4, "duration=10")
    rehearsal.answer = lambda request: Response(502, b"") if b"/hooks/3." in (request.body or b"") else None

    def name() -> None:
        taken = rehearsal.store.awaiting_callback(0)[0].run_id
        (path,) = [path for _, body in rehearsal.posts() if (path := callback_of(body)).startswith("/hooks/3.")]
        rehearsal.receive_callback(path, naming(taken))

    rehearsal.scheduled.append((5, name))
    summary = rehearsal.run(max_runtime="1h", **CALLED_BACK)
    assert (summary.exit_code, summary.completed, summary.in_doubt) == (3, 3, 1)


def test_a_throttled_poll_proves_nothing_about_the_run_in_a_callback(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=5", "fault=lost:id=3")
    asked: list[str] = []

    def once(request: Request) -> Response | None:
        in_doubt = [
            run.run_id for run in rehearsal.store.awaiting_callback(0) if "/hooks/3." in (run.callback_url or "")
        ]
        if request.method == "POST" or not request.path.endswith(tuple(in_doubt)):
            return None
        asked.append(request.path)
        return THROTTLED if len(asked) == 1 else None

    rehearsal.answer = once
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.exit_code, summary.completed, summary.throttled) == (0, 5, 1)


def test_a_run_named_after_its_slot_was_released_takes_a_slot_again(tmp_path: Path) -> None:
    seconds = {0: 1, 1: 35}
    rows = [{"id": str(row), "seconds": str(seconds.get(row, 15))} for row in range(8)]
    rehearsal = Rehearsal(tmp_path, rows, "fault=lost:id=1")
    options = CALLED_BACK | {"workflow_id": "sleepy", "run_timeout": 20, "max_in_flight": 1}
    assert rehearsal.run(**options).completed == 8
    times = [at for at, _ in rehearsal.posts()]
    assert times[2] - times[1] >= 20, "until then the row in doubt holds the place"
    assert all(later - earlier >= 15 for earlier, later in pairwise(times[2:]))


def replayed(rehearsal: Rehearsal, row: int, body: bytes) -> None:
    """Deliver a callback of this row once a second, from second 30 to second 80."""

    def replay() -> None:
        (path,) = [path for _, sent in rehearsal.posts() if (path := callback_of(sent)).startswith(f"/hooks/{row}.")]
        rehearsal.receive_callback(path, body)

    rehearsal.scheduled += [(second, replay) for second in range(30, 80)]


def test_replayed_callbacks_of_a_timed_out_run_wake_few_polls(tmp_path: Path) -> None:
    rows = [{"id": str(row), "seconds": "9999" if row == 0 else "15"} for row in range(6)]
    rehearsal = Rehearsal(tmp_path, rows, "callback_never=1")
    replayed(rehearsal, 0, b"")
    summary = rehearsal.run(workflow_id="sleepy", run_timeout=20, max_in_flight=1, **CALLED_BACK)
    assert (summary.completed, summary.timed_out) == (5, 1)
    polls = [path for _, path in rehearsal.polls() if path.endswith(rehearsal.errors()[0]["run_id"])]
    assert 5 <= len(polls) <= 5 + 50 / 5 + 1


def test_replayed_callbacks_with_a_wrong_run_id_wake_few_polls(tmp_path: Path) -> None:
    rows = [{"id": str(row), "seconds": "1" if row == 0 else "90"} for row in range(2)]
    rehearsal = Rehearsal(tmp_path, rows, "callback_never=1")
    rehearsal.options["workflow_id"] = "sleepy"
    wrong = run_of_another_job(rehearsal)
    rehearsal.answer = lambda request: Response(502, b"") if b"/hooks/0." in (request.body or b"") else None
    replayed(rehearsal, 0, naming(wrong))
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.completed, summary.in_doubt) == (1, 1)
    polls = [path for _, path in rehearsal.polls() if path.endswith(wrong)]
    assert 5 <= len(polls) <= 50 / 5 + 1
