"""A service echoes some inputs in another form than they were sent: the row has its result, and no other row's."""

import html
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal

OPTIONS: dict[str, Any] = {"run_timeout": 30, "max_outage": 60, "poll_initial": 1, "poll_max": 5}
ROWS: list[dict[str, Any]] = [
    {"id": f"k{row}", "text": text, "number": number, "object": {"b": row, "a": [1, 2, 3]}}
    for row, (text, number) in enumerate(
        [
            ("plain", 0.5),
            ("plain two", 0.25),
            ("cafe\u0301  a\r\nb & c", 0.1234567890123),
            ("short", 2.0),
            ("x  y\r\nz <e\u0301> longer than sixteen", 0.333333333333333),
        ]
    )
]


def rehearsed(folder: Path, rows: list[dict[str, Any]]) -> Rehearsal:
    """A job over these rows, with their types."""
    rehearsal = Rehearsal(folder)
    rehearsal.options["input"] = folder / "rows.jsonl"
    rehearsal.options["input"].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rehearsal


def echoing(
    rehearsal: Rehearsal, echo: Callable[[str, object], object], post_id: Callable[[int], str] = "r{}".format
) -> None:
    """Let each run that has completed echo its inputs in this way. `post_id`: names the run in the answer to a POST."""
    inputs = dict[str, dict[str, Any]]()

    def answer(request: Request) -> Response:
        if request.method == "POST":
            inputs[f"r{len(inputs)}"] = rehearsal.inputs_of(request.body or b"")
            return Response(200, msgspec.json.encode({"run_id": post_id(len(inputs) - 1), "status": "pending"}))
        sent = inputs.get(request.path.rpartition("/")[2], {"id": "lost", "same": "x"})
        echoed = {name: echo(name, value) for name, value in sent.items()}
        return rehearsal.polled(request, status="completed", inputs=echoed, outputs=sent)

    rehearsal.answer = answer


def on_text(change: Callable[[str], object]) -> Callable[[str, object], object]:
    return lambda _, value: change(value) if isinstance(value, str) else value


FORMS: dict[str, Callable[[str, object], object]] = {
    "composed": on_text(lambda text: unicodedata.normalize("NFC", text)),
    "line ends": on_text(lambda text: text.replace("\r\n", "\n")),
    "blanks": on_text(lambda text: " ".join(text.split())),
    "HTML": on_text(html.escape),
    "cut": on_text(lambda text: text[:10]),
    "six digits": lambda _, value: float(f"{value:.6g}") if isinstance(value, float) else value,
    "a cut object": lambda _, value: json.dumps(value)[:12] if isinstance(value, dict) else value,
    "an object in Python": lambda _, value: str(value) if isinstance(value, dict) else value,
}


@pytest.mark.parametrize("name", FORMS)
def test_some_rows_are_echoed_in_another_form(tmp_path: Path, name: str) -> None:
    rehearsal = rehearsed(tmp_path, ROWS)
    echoing(rehearsal, FORMS[name])
    summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.completed) == (0, 5), rehearsal.errors()


def test_a_run_that_is_not_believed_is_not_paid_for_again(tmp_path: Path) -> None:
    """It names its run, so its result may be there: `retry` polls it, and submits it again only if the user asks."""
    rehearsal = rehearsed(tmp_path, ROWS)
    echoing(rehearsal, lambda _, value: "other" if value == "short" else value)
    assert rehearsal.run(**OPTIONS).timed_out == 1
    message = rehearsal.errors()[3]["error_message"]
    assert "r3 are not believed" in message
    assert "--in-doubt resubmit" in message
    for rows in (None, [3]):
        again = rehearsal.retry(rows, **OPTIONS)
        assert (again.exit_code, again.timed_out, len(rehearsal.posts())) == (3, 1, 5)
    asked = rehearsal.retry(in_doubt="resubmit", **OPTIONS)
    assert (asked.timed_out, len(rehearsal.posts())) == (1, 6)
    right = rehearsal.answer
    rehearsal.answer = lambda request: (
        right(request)
        if request.method == "POST"
        else rehearsal.polled(request, status="completed", inputs=ROWS[3], outputs={"mine": 3})
    )
    assert rehearsal.retry(**OPTIONS).completed == 5
    assert len(rehearsal.posts()) == 6


def test_an_input_of_another_row_is_no_other_form_of_this_one(tmp_path: Path) -> None:
    """What would be a cut, but is exactly what another row sent, shows a mix-up."""
    rows = [
        {"id": str(row), "text": text} for row, text in enumerate(["good morning", "good morning to all", "x", "y"])
    ]
    rehearsal = rehearsed(tmp_path, rows)
    echoing(rehearsal, lambda _, value: "good morning" if value == "good morning to all" else value)
    summary = rehearsal.run(**OPTIONS)
    assert (summary.completed, summary.timed_out) == (3, 1)
    assert (
        "text is 'good morning', which another row has, and not 'good morning to all'"
        in (rehearsal.errors()[1]["error_message"])
    )


SIMILAR: dict[str, tuple[list[Any], Callable[[str, object], object]]] = {
    "blanks": (["Hello  world", "Hello world", "x"], FORMS["blanks"]),
    "line ends": (["a\nb", "a\r\nb", "x"], FORMS["line ends"]),
    "composed": (["caf\u00e9", "cafe\u0301", "x"], FORMS["composed"]),
    "truth as a number": ([True, 1, False, 0], lambda _, value: int(value) if isinstance(value, bool) else value),
    "an object in Python": ([{"a": 1}, "{'a': 1}", "x"], FORMS["an object in Python"]),
}


@pytest.mark.parametrize("name", SIMILAR)
@pytest.mark.parametrize("resumed", [False, True])
def test_rows_that_differ_only_in_what_the_service_does_not_keep(tmp_path: Path, name: str, resumed: bool) -> None:
    """The echo of one of them is exactly what another one sent. That is no mix-up: to the service, it is the same."""
    values, echo = SIMILAR[name]
    rehearsal = rehearsed(tmp_path, [{"id": f"k{row}", "value": value} for row, value in enumerate(values)])
    echoing(rehearsal, echo)
    if resumed:
        ends = rehearsal.answer
        rehearsal.answer = lambda request: (
            ends(request) if request.method == "POST" else rehearsal.polled(request, status="running")
        )
        rehearsal.run(max_runtime="10s", **OPTIONS)
        rehearsal.answer = ends
    polled = len(rehearsal.polls())
    assert rehearsal.run(**OPTIONS).completed == len(values), rehearsal.errors()
    assert len(rehearsal.polls()) - polled == len(values), "one poll each"


def test_one_run_at_a_time_is_enough_to_see_that_inputs_are_rewritten(tmp_path: Path) -> None:
    """The first run is over, though its answer is not believed: the next one is submitted, and shows why."""
    rehearsal = rehearsed(tmp_path, ROWS)
    echoing(rehearsal, on_text(str.upper))
    began = rehearsal.clock.now()
    summary = rehearsal.run(max_in_flight=1, **OPTIONS)
    assert (summary.exit_code, summary.completed, len(rehearsal.posts())) == (0, 5, 5)
    assert rehearsal.clock.now() - began < 20_000


def test_answers_that_are_not_believed_do_not_have_all_rows_submitted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal = rehearsed(tmp_path, [{"id": f"k{row}"} for row in range(20)])
    echoing(rehearsal, lambda _, value: value, post_id=lambda number: f"r{number - 1}" if number else "lost")
    summary = rehearsal.run(max_in_flight=3, max_runtime="25s", **OPTIONS)
    assert (summary.running, len(rehearsal.posts())) == (4, 4)
    told = [record.message for record in caplog.records if "are not believed, and asked for again" in record.message]
    assert len(told) == 3, "the first ones"
    again = rehearsal.run(max_in_flight=3, **OPTIONS)
    assert (again.timed_out, len(rehearsal.posts())) == (20, 20)


@pytest.mark.parametrize("resumed", [False, True])
def test_answers_to_posts_shifted_by_one_give_no_row_the_output_of_its_neighbour(tmp_path: Path, resumed: bool) -> None:
    """The echoes differ in the same name in all rows, but they are the inputs of the neighbours: not rewritten ones."""
    rows = [{"id": f"k{row}", "same": "x"} for row in range(6)]
    rehearsal = rehearsed(tmp_path, rows)
    echoing(rehearsal, lambda _, value: value, post_id=lambda number: f"r{number - 1}" if number else "lost")
    if resumed:
        shifted = rehearsal.answer
        rehearsal.answer = lambda request: (
            shifted(request) if request.method == "POST" else rehearsal.polled(request, status="running")
        )
        assert rehearsal.run(max_runtime="10s", **OPTIONS | {"run_timeout": 300}).running == 6
        rehearsal.answer = shifted
    summary = rehearsal.run(**OPTIONS)
    assert (summary.completed, summary.timed_out) == (0, 6), rehearsal.outputs()
    again = rehearsal.run(**OPTIONS)
    assert (again.completed, len(rehearsal.posts())) == (0, 6)


def test_an_input_that_many_rows_have_is_believed_after_a_restart(tmp_path: Path) -> None:
    rehearsal = rehearsed(tmp_path, [{"id": str(row), "text": "of all rows"} for row in range(6)])
    echoing(rehearsal, lambda _, value: value)
    ends = rehearsal.answer
    rehearsal.answer = lambda request: (
        ends(request) if request.method == "POST" else rehearsal.polled(request, status="running")
    )
    polls = rehearsal.run(max_runtime="10s", **OPTIONS).polls
    rehearsal.answer = ends
    summary = rehearsal.run(**OPTIONS)
    assert (summary.completed, summary.polls - polls) == (6, 6), "one poll each"


DEEP = "[" * 3000 + "]" * 3000


@pytest.mark.parametrize(
    ("echoed", "completed"), [(DEEP, 4), ("[" * 3001 + "]" * 3001, 3), (DEEP.replace("[]", "[1]"), 3)]
)
def test_echoes_that_are_nested_deeply_are_compared(tmp_path: Path, echoed: str, completed: int) -> None:
    rehearsal = rehearsed(tmp_path, [{"id": str(row), "text": DEEP} for row in range(4)])
    rehearsal.answer = lambda request: (
        Response(200, b'{"run_id": "odd", "status": "pending"}')
        if request.method == "POST" and b'"id":"2"' in (request.body or b"")
        else Response(
            200, f'{{"run_id":"odd","status":"completed","inputs":{{"id":"2","text":{echoed}}},"outputs":2}}'.encode()
        )
        if request.path.endswith("/odd")
        else None
    )
    assert rehearsal.run(**OPTIONS).completed == completed
