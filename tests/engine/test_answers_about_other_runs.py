"""An answer to a poll that is not about the run that was asked for is not believed."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal

OPTIONS: dict[str, Any] = {"run_timeout": 30, "max_outage": 60, "poll_initial": 1, "poll_max": 5}
FOREIGN: dict[str, str] = {
    "another run": '"run_id":"other","status":"completed"',
    "a running one": '"run_id":"other","status":"running"',
    "a failed one": '"run_id":"other","status":"failed","error":{"code":"E","message":"no"}',
    "no text": '"run_id":{"id":"odd"},"status":"completed"',
    "no run": '"status":"completed"',
    "null": '"run_id":null,"status":"completed"',
    "another workflow": '"run_id":"odd","workflow_id":"v","status":"completed"',
    "other inputs": '"run_id":"odd","status":"completed","inputs":{"id":"2"}',
    "other inputs of a failed run": '"run_id":"odd","status":"failed","inputs":{"id":2}',
    "other inputs as text": '"run_id":"odd","status":"completed","inputs":"{\\"id\\":2}"',
    "two runs": '"run_id":"other","status":"completed","run_id":"odd"',
    "an escaped name": '"r\\u0075n_id":"other","status":"completed","run_id":"odd"',
    "two states": '"run_id":"odd","status":"running","status":"completed"',
    "two workflows": '"run_id":"odd","workflow_id":"v","workflow_id":"echo","status":"completed"',
    "two inputs": '"run_id":"odd","inputs":{"id":2},"status":"completed","inputs":{"id":4}',
    "two outputs": '"run_id":"odd","status":"completed","outputs":1',
}
OUTPUTS = ',"outputs":{"status":"foreign","run_id":"odd"}}'


def last_row(rehearsal: Rehearsal, said: str) -> None:
    """Let all polls of row 4 be answered with this text, once other rows have been completed."""

    def answer(request: Request) -> Response | None:
        if request.method == "POST":
            mine = rehearsal.row_of(request.body or b"") == 4
            return Response(200, b'{"run_id": "odd", "status": "pending"}') if mine else None
        if not request.path.endswith("/odd"):
            return None
        age = rehearsal.clock.now() - begun
        return Response(200, said.encode() if age > 5000 else b'{"run_id": "odd", "status": "running"}')

    begun = rehearsal.clock.now()
    rehearsal.answer = answer


@pytest.mark.parametrize("name", FOREIGN)
def test_a_row_never_has_the_result_of_another_run(tmp_path: Path, name: str) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    last_row(rehearsal, "{" + FOREIGN[name] + OUTPUTS)
    summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.completed, summary.timed_out) == (3, 4, 1), summary.reason
    error = rehearsal.errors()[4]
    assert (error["error_kind"], error["run_id"]) == ("timeout", "odd")
    if name != "a running one":
        assert "foreign" in error["error_message"], "it shows what was answered"
    # It stays so in later sessions, which poll it once more, and is submitted again only by `retry`.
    again = rehearsal.run(**OPTIONS)
    assert (again.exit_code, again.completed, len(rehearsal.posts())) == (3, 4, 5)


@pytest.mark.parametrize("name", FOREIGN)
def test_the_right_answer_counts_whenever_it_comes(tmp_path: Path, name: str) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    last_row(rehearsal, "{" + FOREIGN[name] + OUTPUTS)
    foreign = rehearsal.answer

    def answer(request: Request) -> Response | None:
        if request.path.endswith("/odd") and rehearsal.clock.now() - begun > 15_000:
            return rehearsal.polled(request, status="completed", inputs={"id": 4}, outputs={"mine": 4})
        return foreign(request)  # type: ignore[return-value]

    begun = rehearsal.clock.now()
    rehearsal.answer = answer
    assert rehearsal.run(**OPTIONS).exit_code == 0
    assert rehearsal.outputs()[4]["output"] == '{"mine":4}'


def test_repetitions_of_the_same_value_and_nested_ones_are_fine(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    mine = '"run_id":"odd","status":"completed","run_id" : "odd","inputs":{"id":4.0},"inputs":{"id": 4.0}'
    last_row(rehearsal, "{" + mine + OUTPUTS)
    assert rehearsal.run(**OPTIONS).exit_code == 0


def test_answers_swapped_between_all_rows_give_no_output(tmp_path: Path) -> None:
    """Every third run is answered with its neighbour's result, forever."""
    rehearsal = Rehearsal(tmp_path, 30, "duration=1")
    inputs = dict[str, dict[str, Any]]()

    def answer(request: Request) -> Response:
        if request.method == "POST":
            run_id = f"r{len(inputs)}"
            inputs[run_id] = rehearsal.inputs_of(request.body or b"")
            return Response(200, msgspec.json.encode({"run_id": run_id, "status": "pending"}))
        number = int(request.path.rpartition("/r")[2])
        name = f"r{number - 1}" if number % 3 == 2 else f"r{number}"
        return Response(200, msgspec.json.encode({"run_id": name, "status": "completed", "outputs": inputs[name]}))

    rehearsal.answer = answer
    summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.completed, summary.timed_out) == (3, 20, 10), summary.reason
    assert all(msgspec.json.decode(row["output"]) == {"id": str(n)} for n, row in rehearsal.outputs().items())
    assert all("about another run" in row["error_message"] for row in rehearsal.errors().values())


def test_a_run_may_be_named_0(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3)
    posted: list[str] = []

    def answer(request: Request) -> Response:
        if request.method == "POST":
            posted.append(str(len(posted)))
            return Response(200, f'{{"run_id":"{posted[-1]}","status":"pending"}}'.encode())
        run_id = request.path.rpartition("/")[2]
        return Response(200, f'{{"run_id":"{run_id}","status":"completed","outputs":{run_id}}}'.encode())

    rehearsal.answer = answer
    summary = rehearsal.run(**OPTIONS)
    assert (summary.completed, summary.polls) == (3, 3)
    assert [row["output"] for row in rehearsal.outputs().values()] == ["0", "1", "2"]


@pytest.mark.parametrize("empty", ["null", '""', '" "', "0", '"0"'])
def test_names_that_the_service_left_empty_contradict_nothing(tmp_path: Path, empty: str) -> None:
    """As text or a number, 0 is what some services write for an identifier that they do not know."""
    rehearsal = Rehearsal(tmp_path, 5)
    said = f'{{"run_id":{empty},"workflow_id":{empty},"status":"completed","outputs":{{}}}}'.encode()
    rehearsal.answer = lambda request: Response(200, said) if request.method == "GET" else None
    assert rehearsal.run(**OPTIONS).exit_code == 0


def test_a_service_that_never_names_its_runs_is_believed(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5)
    rehearsal.answer = lambda request: (
        Response(200, b'{"status": "completed", "outputs": {}}') if request.method == "GET" else None
    )
    assert rehearsal.run(**OPTIONS).exit_code == 0


def test_the_post_that_was_answered_with_the_run_of_another_job(tmp_path: Path) -> None:
    """The echo of the inputs shows it. The row is not submitted again by itself, although its run failed."""
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    rehearsal.answer = lambda request: (
        rehearsal.polled(request, status="failed", inputs={"id": "elsewhere"})
        if request.path.endswith("/odd")
        else None
    )
    polled = rehearsal.answer
    rehearsal.answer = lambda request: (
        Response(200, b'{"run_id": "odd", "status": "pending"}')
        if request.method == "POST" and rehearsal.row_of(request.body or b"") == 4
        else polled(request)
    )
    summary = rehearsal.run(retry_failed_runs=True, **OPTIONS)
    assert (summary.exit_code, summary.timed_out, len(rehearsal.posts())) == (3, 1, 5)
    assert "with other inputs than were sent (id is 'elsewhere' and not '4')" in rehearsal.errors()[4]["error_message"]


# -- the echo of the inputs

ROWS = [{"id": f"  {row}0 ", "text": f"row {row}: " + "words " * 50} for row in range(6)]


def echoing(rehearsal: Rehearsal, echo: Callable[[dict[str, Any]], Mapping[str, object]]) -> None:
    """Let each completed run echo its inputs in this way."""
    inputs = dict[str, dict[str, Any]]()

    def answer(request: Request) -> Response:
        if request.method == "POST":
            run_id = f"r{len(inputs)}"
            inputs[run_id] = rehearsal.inputs_of(request.body or b"")
            return Response(200, msgspec.json.encode({"run_id": run_id, "status": "pending"}))
        run_id = request.path.rpartition("/")[2]
        return rehearsal.polled(request, status="completed", inputs=echo(inputs[run_id]), outputs=inputs[run_id])

    rehearsal.answer = answer


ECHOES: dict[str, Callable[[dict[str, Any]], Mapping[str, object]]] = {
    "the same": lambda sent: sent,
    "numbers, trimmed": lambda sent: {"id": int(sent["id"]), "text": sent["text"].strip()},
    "doubles, cut": lambda sent: {"id": float(sent["id"]), "text": sent["text"][:100]},
    "cut with a mark": lambda sent: {"text": sent["text"][:12] + "..."},
    "more names": lambda sent: {**sent, "user": "u", "more": None},
    "fewer names": lambda sent: {"id": sent["id"]},
    "nulls": dict.fromkeys,
    "nothing": lambda _: {},
    "rewritten": lambda sent: {"id": sent["id"], "text": sent["text"].upper()},
    "all rewritten": lambda sent: {"id": "i" + sent["id"], "text": "***"},
}


@pytest.mark.parametrize("name", ECHOES)
def test_what_a_service_makes_of_the_inputs_does_not_matter(tmp_path: Path, name: str) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS)
    echoing(rehearsal, ECHOES[name])
    summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.completed) == (0, 6), rehearsal.errors()


class Counted:
    """A table that counts how often it is read."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.reads = inner, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def batches(self, start: int = 0) -> Iterator[Any]:
        self.reads += 1
        return self._inner.batches(start)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["the same", "numbers, trimmed", "more names", "fewer names", "nulls"])
def test_the_input_is_not_read_again_to_compare_a_usual_echo(tmp_path: Path, name: str) -> None:
    rehearsal, tables = Rehearsal(tmp_path, ROWS), list[Counted]()
    echoing(rehearsal, ECHOES[name])

    def counted(table: Any) -> Any:
        tables.append(Counted(table))
        return tables[-1]

    rehearsal.table = counted
    assert rehearsal.run(**OPTIONS).exit_code == 0
    assert tables[0].reads <= 2, "to submit the rows, and to write the results"


def test_the_neighbours_of_a_resumed_run_are_read_only_until_inputs_have_agreed(tmp_path: Path) -> None:
    """Names that were not sent, and rewritten inputs, are not compared: they are no reason to read neighbours."""
    rehearsal, tables = Rehearsal(tmp_path, 40), list[Counted]()
    echoing(rehearsal, lambda sent: {**sent, "user": "u", "more": 1})
    ends = rehearsal.answer
    rehearsal.answer = lambda request: (
        ends(request) if request.method == "POST" else rehearsal.polled(request, status="running")
    )
    assert rehearsal.run(max_runtime="10s", **OPTIONS | {"run_timeout": 300}).running == 40
    rehearsal.answer = ends

    def counted(table: Any) -> Any:
        tables.append(Counted(table))
        return tables[-1]

    rehearsal.table = counted
    assert rehearsal.run(poll_rps=5, **OPTIONS | {"run_timeout": 300}).exit_code == 0
    assert tables[0].reads <= 40 + 10, "each row once, and a few neighbours"


def test_resumed_runs_are_compared_with_the_input(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 6, "duration=100")
    assert rehearsal.run(max_runtime="10s").running == 6
    rehearsal.clock.jump(200)
    odd = rehearsal.polls()[0][1]
    rehearsal.answer = lambda request: (
        rehearsal.polled(request, status="completed", inputs={"id": "7"}, outputs={"foreign": 1})
        if request.path == odd
        else None
    )
    summary = rehearsal.run(**OPTIONS | {"run_timeout": 300})
    assert (summary.exit_code, summary.completed, summary.timed_out) == (3, 5, 1)
    (error,) = rehearsal.errors().values()
    assert f"(id is '7' and not '{error['row']}')" in error["error_message"]


@pytest.mark.parametrize("kill_after", [None, 40])
def test_later_sessions_remember_that_the_service_names_runs_and_echoes_inputs(
    tmp_path: Path, kill_after: int | None
) -> None:
    """Two rows are answered with other inputs, and one without a name: no session takes that for the service's way."""
    rehearsal = Rehearsal(tmp_path, 12, "duration=1")
    odd: dict[int, dict[str, object]] = {
        9: {"run_id": "odd9", "inputs": {"id": "1"}},
        10: {"run_id": "odd10", "inputs": {"id": "2"}},
        11: {},
    }

    def answer(request: Request) -> Response | None:
        if request.method == "POST" and (row := rehearsal.row_of(request.body or b"")) in odd:
            return Response(200, b'{"run_id": "odd%d", "status": "pending"}' % row)
        if request.method == "GET" and "/odd" in request.path:
            content = {"status": "completed", "outputs": {"foreign": 1}, **odd[int(request.path.rpartition("/odd")[2])]}
            late = rehearsal.clock.now() - begun > 5000
            return Response(200, msgspec.json.encode(content)) if late else rehearsal.polled(request, status="running")
        return None

    begun = rehearsal.clock.now()
    rehearsal.answer = answer
    rehearsal.run(kill_after, **OPTIONS)
    for _ in range(2):
        summary = rehearsal.run(**OPTIONS)
        assert (summary.exit_code, summary.completed, summary.timed_out) == (3, 9, 3), summary.reason
        rehearsal.clock.jump(60)


def test_a_run_whose_answers_keep_naming_another_ends_before_its_time(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "duration=5")
    swapped = Response(200, b'{"run_id": "another", "status": "completed", "outputs": {"of": "another"}}')
    paths = list[str]()

    def answer(request: Request) -> Response | None:
        if request.method == "GET" and not paths:
            paths.append(request.path)
        return swapped if request.method == "GET" and request.path in paths else None

    rehearsal.answer = answer
    started = rehearsal.clock.now()
    summary = rehearsal.run(run_timeout=3600)
    assert (summary.exit_code, summary.completed, summary.timed_out) == (3, 9, 1)
    assert rehearsal.clock.now() - started < 400_000
    (error,) = rehearsal.errors().values()
    assert "about another run, another" in error["error_message"]
