"""Answers that are not strict JSON: what was paid for is kept if it can be read at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import batchrun
from batchrun.dialects import DIALECTS
from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal

OPTIONS: dict[str, Any] = {"run_timeout": 600, "max_outage": 60, "poll_initial": 1, "poll_max": 5}
OUTPUTS = {
    "surrogate": (b'{"t": "\\ud83d"}', '{"t": "\\ud83d"}'),
    "nan": (b'{"t": NaN, "u": [Infinity]}', '{"t": NaN, "u": [Infinity]}'),
    "control": (b'{"t": "a\nb"}', '{"t": "a\\u000ab"}'),
    "bytes": (b'{"t": "\xc3\x28"}', '{"t": "\\udcc3("}'),
    "deep": (b"[" * 1000 + b"]" * 1000, "[" * 1000 + "]" * 1000),
}


def answered(rehearsal: Rehearsal, method: str, answers: dict[int, bytes]) -> None:
    """Answer for these rows with these bodies, to a poll or to a synchronous POST."""

    def answer(request: Request) -> Response | None:
        if request.method == "POST":
            row = rehearsal.row_of(request.body or b"")
            if method == "POST" and row in answers:
                return Response(200, answers[row])
            return Response(200, b'{"run_id": "odd-%d", "status": "pending"}' % row) if row in answers else None
        row = int(request.path.rpartition("-")[2]) if "/odd-" in request.path else -1
        return Response(200, answers[row]) if row in answers else None

    rehearsal.answer = answer


def ended(row: int, output: bytes) -> bytes:
    return b'{"run_id": "odd-%d", "status": "completed", "outputs": %s}' % (row, output)


@pytest.mark.parametrize(("method", "mode"), [("GET", "async"), ("POST", "sync")])
def test_the_output_is_kept_as_it_can_be_read(tmp_path: Path, method: str, mode: str) -> None:
    rehearsal = Rehearsal(tmp_path, 10)
    bodies = {row: ended(row, output) for row, (output, _) in enumerate(OUTPUTS.values())}
    bodies[len(bodies)] = b"\xef\xbb\xbf" + ended(len(bodies), b'{"bom": 1}')
    answered(rehearsal, method, bodies)
    summary = rehearsal.run(mode=mode, select={"t": "t", "u": "u"}, flatten=True, **OPTIONS)
    assert (summary.exit_code, summary.completed, len(rehearsal.posts())) == (0, 10, 10), summary.reason
    found = rehearsal.outputs()
    assert [found[row]["output"] for row in range(6)] == [*(text for _, text in OUTPUTS.values()), '{"bom": 1}']
    assert summary.irregular_outputs == 5  # a byte order mark does not change the output
    assert rehearsal.run(**OPTIONS).irregular_outputs == 5


HALF = "cut emoji \ud83d"
"""Half a surrogate pair, as services make it when they cut text."""


@pytest.mark.parametrize("api", ["open", "studio"])
@pytest.mark.parametrize("mode", ["async", "sync"])
def test_half_a_surrogate_pair_in_any_layer_is_kept(tmp_path: Path, api: str, mode: str) -> None:
    """The layers of strings around the output of these services are no reason to lose it."""
    rehearsal = Rehearsal(tmp_path, 4, api=api)
    outputs = [HALF, json.dumps({"t": HALF}), json.dumps({"t": HALF}, ensure_ascii=False), json.dumps(HALF)]
    rows = dict[str, int]()

    def answer(request: Request) -> Response | None:
        if "include_input_output" in request.path:
            return None
        if request.method == "POST":
            row = int(json.loads(request.body or b"")["parameters"]["id"])
            rows[f"7{row}"] = row
            content = {"code": 0, "msg": "", "execute_id": f"7{row}", "debug_url": "https://x/"}
            return Response(200, json.dumps(content | {"data": outputs[row]} if mode == "sync" else content).encode())
        run_id = next(name for name in rows if request.path.endswith(f"/{name}") or f"={name}" in request.path)
        output = outputs[rows[run_id]]
        record = {"execute_id": run_id, "execute_status": "Success", "output": output}
        if api == "open":
            record["output"] = json.dumps({"Output": output}, ensure_ascii=False)
        return Response(200, json.dumps({"code": 0, "msg": "", "data": [record]}).encode())

    rehearsal.answer = answer
    summary = rehearsal.run(mode=mode, select={"t": "t"}, **OPTIONS)
    assert (summary.exit_code, summary.completed) == (0, 4), summary.reason
    found = [row["output"] for row in rehearsal.outputs().values()]
    assert found == [
        '"cut emoji \\ud83d"',
        '{"t": "cut emoji \\ud83d"}',
        '{"t": "cut emoji \\ud83d"}',
        '"cut emoji \\ud83d"',
    ]
    assert [json.loads(output) for output in found] == [HALF, {"t": HALF}, {"t": HALF}, HALF]
    assert (rehearsal.run(**OPTIONS).exit_code, batchrun.status(tmp_path / "job").completed) == (0, 4)
    assert batchrun.head(tmp_path / "job").column("output").to_pylist() == found


ODD_ENCODINGS = {
    "utf-16": ended(3, b'{"t": 1}').decode().encode("utf-16"),
    "two marks": b"\xef\xbb\xbf\xef\xbb\xbf" + ended(3, b'{"t": 1}'),
    "zero byte": ended(3, b'{"t": 1}') + b"\0",
    "comma": ended(3, b'{"t": 1 ,}'),
    "comma at the end": ended(3, b'{"t": 1}').removesuffix(b"}") + b",}",
}


@pytest.mark.parametrize("name", ODD_ENCODINGS)
@pytest.mark.parametrize(("method", "mode"), [("GET", "async"), ("POST", "sync")])
def test_what_stands_around_the_answer_does_not_matter(tmp_path: Path, name: str, method: str, mode: str) -> None:
    rehearsal = Rehearsal(tmp_path, 5)
    answered(rehearsal, method, {3: ODD_ENCODINGS[name]})
    summary = rehearsal.run(mode=mode, **OPTIONS)
    assert (summary.exit_code, len(rehearsal.posts())) == (0, 5)
    assert json.loads(rehearsal.outputs()[3]["output"]) == {"t": 1}
    assert summary.irregular_outputs == (1 if name == "comma" else 0), "the output itself was corrected"


def test_how_deeply_an_output_may_be_nested_depends_on_no_version_of_python(tmp_path: Path) -> None:
    """What is nested too deeply to be decoded is kept as well."""
    rehearsal = Rehearsal(tmp_path, 3)
    outputs = ['{"t": 7, "deep": %s}' % ("[" * levels + "]" * levels) for levels in (918, 919, 920)]
    answered(rehearsal, "GET", {row: ended(row, output.encode()) for row, output in enumerate(outputs)})
    summary = rehearsal.run(select={"t": "t"}, **OPTIONS)
    assert (summary.exit_code, summary.irregular_outputs) == (0, 1), "beyond 920 levels it is irregular"
    found = rehearsal.outputs()
    assert [(found[row]["output"], found[row]["t"]) for row in range(3)] == [*zip(outputs, (7, 7, None), strict=True)]
    batchrun.export(tmp_path / "job", to=tmp_path / "export", format="jsonl")
    exported = [json.loads(line)["output"] for line in (tmp_path / "export" / "outputs.jsonl").read_text().splitlines()]
    assert exported == [*map(json.loads, outputs[:2]), outputs[2]]


def test_a_nesting_bomb_ends_its_row_soon(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5)
    answered(rehearsal, "GET", {3: ended(3, b"[" * 1_000_000 + b"]" * 1_000_000)})
    assert rehearsal.run(**OPTIONS).completed == 4
    assert "odd-3 cannot be read" in rehearsal.errors()[3]["error_message"]


def test_a_parser_that_raises_costs_no_other_row_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer may end the job, even if it meets a mistake in a parser."""
    dialect = type(DIALECTS["v1"])

    def raising(parse: Callable[..., object]) -> Callable[..., object]:
        def parse_or_raise(self: object, status: int, headers: object, body: bytes, received_at: int) -> object:
            if b"poison" in body:
                raise KeyError("a mistake")
            return parse(self, status, headers, body, received_at)

        return parse_or_raise

    for name in ("parse_poll", "parse_submit"):
        monkeypatch.setattr(dialect, name, raising(getattr(dialect, name)))
    rehearsal = Rehearsal(tmp_path, 6, "duration=5")
    paths = list[str]()

    def answer(request: Request) -> Response | None:
        if request.method == "POST":
            return Response(200, b'{"poison": 1}') if b'"id":"3"' in (request.body or b"") else None
        if not paths:
            paths.append(request.path)
        return Response(200, b'{"poison": 2}') if request.path in paths else None

    rehearsal.answer = answer
    summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.completed, summary.timed_out, summary.in_doubt) == (3, 4, 1, 1), summary.reason
    (timed_out,) = (row for row in rehearsal.errors().values() if row["state"] == "timed_out")
    assert "KeyError" in timed_out["error_message"]
    assert '{"poison": 2}' in timed_out["error_message"]
    assert rehearsal.retry(**OPTIONS).completed == 4, "its run is polled again, and not submitted again"
    assert len(rehearsal.posts()) == 6


UNREADABLE = b'{"run_id": "odd-3", "status": "completed", "outputs": {"t": '


def test_what_cannot_be_read_ends_its_row_soon_and_is_not_paid_for_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10, "duration=20")
    answered(rehearsal, "GET", {3: UNREADABLE})
    started = rehearsal.clock.now()
    summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.completed, summary.timed_out) == (3, 9, 1)
    assert rehearsal.clock.now() - started < 100_000
    error = rehearsal.errors()[3]
    assert error["run_id"] == "odd-3"
    assert "odd-3 cannot be read" in error["error_message"]
    assert UNREADABLE.decode().strip() in error["error_message"]
    again = rehearsal.retry(**OPTIONS)
    assert (again.exit_code, again.timed_out, len(rehearsal.posts())) == (3, 1, 10)
    answered(rehearsal, "GET", {3: ended(3, b'{"t": 1}')})
    assert rehearsal.retry(**OPTIONS).completed == 10
    assert len(rehearsal.posts()) == 10


def test_what_cannot_be_read_is_paid_for_again_if_the_user_says_so(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 10)
    answered(rehearsal, "GET", {3: UNREADABLE})
    assert rehearsal.run(**OPTIONS).timed_out == 1
    rehearsal.answer = lambda request: Response(200, UNREADABLE) if request.path.endswith("/odd-3") else None
    assert rehearsal.retry(in_doubt="resubmit", **OPTIONS).completed == 10
    assert len(rehearsal.posts()) == 11


def test_a_page_in_place_of_the_service_is_an_outage(tmp_path: Path) -> None:
    """A portal answers everything with 200. No row is at fault, and none is charged."""
    rehearsal = Rehearsal(tmp_path, 10, "duration=5")
    assert rehearsal.run(limit=3, **OPTIONS).completed == 3
    rehearsal.answer = lambda request: Response(200, b"<html>sign in") if request.method == "GET" else None
    summary = rehearsal.run(**OPTIONS)
    assert (summary.exit_code, summary.running, summary.timed_out) == (75, 7, 0), summary.reason
    rehearsal.answer = lambda _: None
    assert rehearsal.run(**OPTIONS).completed == 10


def test_a_page_in_place_of_the_answers_to_polls_for_a_while_ends_no_row(tmp_path: Path) -> None:
    """Meanwhile POSTs are accepted. Only other polls show that runs cannot be polled, and only after some time."""
    rehearsal = Rehearsal(tmp_path, 200, "duration=60")
    started = rehearsal.clock.now()

    def answer(request: Request) -> Response | None:
        is_page = request.method == "GET" and 20_000 <= rehearsal.clock.now() - started < 55_000
        return Response(200, b"<html>maintenance") if is_page else None

    rehearsal.answer = answer
    summary = rehearsal.run(rps=4, **OPTIONS)
    assert (summary.exit_code, summary.completed) == (0, 200), summary.reason


def test_a_page_in_place_of_the_answers_about_the_last_run_costs_few_polls(tmp_path: Path) -> None:
    """The run that was completed before is polled now and then, to see if the service works."""
    rehearsal = Rehearsal(tmp_path, 2, "duration=1")
    started = rehearsal.clock.now()

    def answer(request: Request) -> Response | None:
        is_last = request.method == "GET" and bool(rehearsal.polls()) and request.path != rehearsal.polls()[0][1]
        is_page = is_last and rehearsal.clock.now() - started < 50_000
        return Response(200, b"<html>maintenance") if is_page else None

    rehearsal.answer = answer
    summary = rehearsal.run(max_in_flight=1, **OPTIONS)
    assert (summary.exit_code, summary.completed) == (0, 2), summary.reason
    assert len(rehearsal.polls()) < 30


def test_an_error_message_of_odd_text_is_kept(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 2)
    body = b'{"run_id": "odd-1", "status": "failed", "error": {"code": "E", "message": "bad \xff \\ud83d\n"}}'
    answered(rehearsal, "GET", {1: body})
    assert rehearsal.run(**OPTIONS).exit_code == 3
    assert rehearsal.errors()[1]["error_message"] == "bad \\udcff \\ud83d\n"
    assert msgspec.json.decode((tmp_path / "job" / "summary.json").read_bytes())["failed"] == 1
