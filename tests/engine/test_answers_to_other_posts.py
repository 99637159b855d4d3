"""An answer to a POST that is not about its row is not believed."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal

OPTIONS: dict[str, Any] = {"run_timeout": 30, "max_outage": 60, "poll_initial": 1, "poll_max": 5}

TO_POSTS: dict[str, tuple[str, str, int]] = {
    "another workflow": ('{"run_id":"odd","workflow_id":"v","status":"pending"}', "in_doubt", 0),
    "two runs": ('{"run_id":"odd","run_id":"even","status":"pending"}', "in_doubt", 0),
    "a result of another workflow": (
        '{"run_id":"odd","workflow_id":"v","status":"completed","output":1}',
        "in_doubt",
        0,
    ),
    "a result of other inputs": ('{"status":"completed","output":1,"inputs":{"id":"2"}}', "in_doubt", 0),
    "a named one": ('{"run_id":"odd","status":"completed","output":1,"inputs":{"id":"2"}}', "timed_out", 1),
    "a failed one": ('{"run_id":"odd","status":"failed","inputs":{"id":"2"}}', "timed_out", 1),
}


@pytest.mark.parametrize(
    ("name", "mode"), [*((name, "sync") for name in TO_POSTS), *((name, "async") for name in list(TO_POSTS)[:2])]
)
def test_the_answer_to_the_post_of_another_row_is_not_believed(tmp_path: Path, name: str, mode: str) -> None:
    said, state, polled = TO_POSTS[name]
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")

    def answer(request: Request) -> Response | None:
        if request.method == "GET":
            mine = {"status": "completed", "outputs": 1, "inputs": {"id": "2"}}
            return rehearsal.polled(request, **mine) if request.path.endswith("/odd") else None
        row = rehearsal.row_of(request.body or b"")
        if row == 4:
            return Response(200, said.encode())
        if mode == "async":
            return None
        content = {"run_id": f"r{row}", "status": "completed", "output": row, "inputs": {"id": row}}
        return Response(200, msgspec.json.encode(content))

    rehearsal.answer = answer
    summary = rehearsal.run(mode=mode, retry_failed_runs=True, **OPTIONS)
    assert (summary.exit_code, summary.completed, len(rehearsal.posts())) == (3, 4, 5), summary.reason
    error = rehearsal.errors()[4]
    assert (error["state"], bool(error["polls"])) == (state, bool(polled))
    assert said.removesuffix("}")[-10:] in error["error_message"] or polled


def test_results_whose_inputs_the_service_rewrites_are_polled_first_and_then_believed(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5)

    def answer(request: Request) -> Response:
        row = rehearsal.row_of(request.body or b"") if request.method == "POST" else int(request.path[-1])
        run: dict[str, object] = {
            "status": "completed",
            "inputs": {"id": f"<{row}>"},
            "outputs": row,
            "run_id": f"r{row}",
        }
        return Response(200, msgspec.json.encode(run))

    rehearsal.answer = answer
    summary = rehearsal.run(mode="sync", **OPTIONS)
    assert (summary.exit_code, summary.completed) == (0, 5)
    assert {n: row["output"] for n, row in rehearsal.outputs().items()} == {n: str(n) for n in range(5)}
