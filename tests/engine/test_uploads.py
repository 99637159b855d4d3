"""File columns: each content is uploaded once in a job, and a refused one fails its rows before they are paid for."""

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchrun.adapters.files import local_files
from batchrun.errors import InputError
from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal

DAY = 86_400


def job(folder: Path, rows: Sequence[Mapping[str, str]], *faults: str, **options: Any) -> Rehearsal:
    """A job whose rows have an `id` and a `file`."""
    folder.mkdir(exist_ok=True)
    rehearsal = Rehearsal(folder, rows, "duration=1", *faults, api="open")
    rehearsal.options |= {"file": ["file"], "workflow_id": "file", **options}
    return rehearsal


def rows_of(names: Sequence[str]) -> list[dict[str, str]]:
    return [{"id": str(number), "file": name} for number, name in enumerate(names)]


def write(folder: Path, **contents: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content)


def parameters(body: bytes) -> dict[str, Any]:
    sent: dict[str, Any] = msgspec.json.decode(body)["parameters"]
    return sent


def references(rehearsal: Rehearsal) -> dict[int, Any]:
    """What was sent for the file, by row."""
    return {int((sent := parameters(body))["id"]): sent["file"] for _, body in rehearsal.posts()}


def recorded(rehearsal: Rehearsal) -> list[str]:
    with sqlite3.connect(rehearsal.folder / "job" / "checkpoint.db") as db:
        return [reference for (reference,) in db.execute("SELECT reference FROM uploads")]


def uploads_answered(rehearsal: Rehearsal, answer: Callable[[int], Response | None]) -> None:
    """Answer upload number 1, 2, … like this; None: as the simulator does."""
    count = 0

    def reply(request: Request) -> Response | None:
        nonlocal count
        if request.content is None:
            return None
        count += 1
        return answer(count)

    rehearsal.answer = reply


# -- once


def test_fifty_rows_that_share_three_files_upload_three(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", b="beta", c="gamma")
    rehearsal = job(tmp_path, rows_of([*"abc"] * 16 + [*"ab"]))
    assert rehearsal.run().exit_code == 0
    assert len(rehearsal.uploads()) == 3
    sent = references(rehearsal)
    assert {sent[row] for row in range(50)} == set(recorded(rehearsal))
    assert len({sent[row] for row in range(0, 48, 3)}) == 1
    assert set(msgspec.json.decode(sent[0])) == {"file_id"}
    assert rehearsal.outputs()[0]["file"] == "a"


def test_the_reference_is_recorded_before_a_row_uses_it(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", b="beta")
    rehearsal = job(tmp_path, rows_of("ab"))
    known_at_post: list[bool] = []

    def answer(request: Request) -> None:
        if request.body:
            known_at_post.append(parameters(request.body)["file"] in recorded(rehearsal))

    rehearsal.answer = answer
    assert rehearsal.run().exit_code == 0
    assert known_at_post == [True, True]


def test_equal_contents_in_different_files_are_uploaded_once(tmp_path: Path) -> None:
    write(tmp_path, a="same", b="same")
    rehearsal = job(tmp_path, rows_of("ab"))
    assert rehearsal.run().exit_code == 0
    assert len(rehearsal.uploads()) == 1


@pytest.mark.parametrize("changes", [0, 1, 2, 5, 9])
def test_killed_and_resumed_nothing_is_uploaded_twice(tmp_path: Path, changes: int) -> None:
    write(tmp_path, a="alpha", b="beta", c="gamma")
    rehearsal = job(tmp_path, rows_of("abcabcabc"))
    assert rehearsal.run(kill_after=changes + 1).exit_code == 74
    before, uploaded = len(recorded(rehearsal)), len(rehearsal.uploads())
    rehearsal.run(in_doubt="resubmit")
    assert len(rehearsal.outputs()) == 9
    assert len(rehearsal.uploads()) - uploaded == 3 - before


def test_null_and_addresses_are_sent_as_they_are_and_a_list_gives_a_list(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", b="beta")
    files = [["a", "b", "a"], [], None, ["HTTPS://example.com/x.png", "a", None]]
    table = pa.table({"id": ["0", "1", "2", "3"], "file": pa.array(files, pa.list_(pa.string()))})
    rehearsal = job(tmp_path, rows_of("a"))
    pq.write_table(table, tmp_path / "rows.parquet")
    assert rehearsal.run(input=tmp_path / "rows.parquet").exit_code == 0
    sent = references(rehearsal)
    assert len(sent[0]) == 3
    assert sent[0][0] == sent[0][2] != sent[0][1]
    assert (sent[1], sent[2]) == ([], None)
    assert sent[3] == ["HTTPS://example.com/x.png", sent[0][0], None]
    assert len(rehearsal.uploads()) == 2


def test_a_list_in_json_text_gives_a_list(tmp_path: Path) -> None:
    write(tmp_path, a="alpha")
    (tmp_path / "rows.jsonl").write_text('{"id":"0","file":["a","http://example.com/a"]}\n')
    rehearsal = job(tmp_path, rows_of("a"))
    assert rehearsal.run(input=tmp_path / "rows.jsonl").exit_code == 0
    first, second = references(rehearsal)[0]
    assert "file_id" in first
    assert second == "http://example.com/a"


def test_a_reference_past_the_retention_is_uploaded_again(tmp_path: Path) -> None:
    write(tmp_path, a="alpha")
    rehearsal = job(tmp_path, rows_of("aaa"))
    assert rehearsal.run(limit=1).exit_code == 0
    rehearsal.clock.jump(80 * DAY)
    assert rehearsal.run(limit=2).exit_code == 0
    assert len(rehearsal.uploads()) == 1
    rehearsal.clock.jump(20 * DAY)
    assert rehearsal.run(limit=3).exit_code == 0
    assert len(rehearsal.uploads()) == 2
    assert len(recorded(rehearsal)) == 1


def test_files_may_stand_in_a_folder_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "pictures", a="alpha")
    rehearsal = job(tmp_path, rows_of(["a", str(tmp_path / "pictures" / "a")]), file_root=tmp_path / "pictures")
    assert rehearsal.run().exit_code == 0
    assert len(rehearsal.uploads()) == 1


# -- the service refuses, or is out


def test_a_refused_file_fails_its_rows_before_anything_is_paid(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", bad="beta")
    rehearsal = job(tmp_path, rows_of(["bad", "a", "bad", "a", "bad"]), "answer=upload:413:name=bad")
    assert rehearsal.run().exit_code == 3
    assert set(rehearsal.outputs()) == {1, 3}
    errors = rehearsal.errors()
    assert {(row["error_kind"], row["http_status"], row["attempts"]) for row in errors.values()} == {
        ("rejected", 413, 0)
    }
    assert set(references(rehearsal)) == {1, 3}
    assert len(rehearsal.uploads()) == 2
    assert "bad: the upload was refused" in errors[0]["error_message"]


def test_a_code_of_the_service_refuses_a_file_too(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", b="beta")
    rehearsal = job(tmp_path, rows_of("ab"), max_connections=1)
    uploads_answered(rehearsal, lambda n: Response(200, b'{"code":4303,"msg":"bad file"}') if n == 1 else None)
    assert rehearsal.run().exit_code == 3
    assert [(row["error_kind"], row["error_code"]) for row in rehearsal.errors().values()] == [("rejected", "4303")]


@pytest.mark.parametrize("throttle", ["retry-after", "429", "4013"])
def test_a_429_pauses_and_costs_no_row_anything(tmp_path: Path, throttle: str) -> None:
    names = [f"f{number}" for number in range(12)]
    write(tmp_path, **{name: name for name in names})
    rehearsal = job(tmp_path, rows_of(names), "upload_rps=3", f"throttle={throttle}")
    summary = rehearsal.run()
    assert (summary.exit_code, summary.completed) == (0, 12)
    assert summary.throttled > 0
    assert len(recorded(rehearsal)) == 12
    assert all(row["attempts"] == 1 for row in rehearsal.outputs().values())


@pytest.mark.parametrize(("plan", "most"), [(None, 10), ("team", 20)])
def test_uploads_go_at_the_rate_of_the_plan(tmp_path: Path, plan: str | None, most: int) -> None:
    names = [f"f{number}" for number in range(60)]
    write(tmp_path, **{name: name for name in names})
    rehearsal = job(tmp_path, rows_of(names), plan=plan)
    assert rehearsal.run().exit_code == 0
    times = rehearsal.uploads()
    assert max(sum(at <= other < at + 1 for other in times) for at in times) <= most
    assert times[-1] - times[0] < 1.2 * 60 / most


def test_an_outage_is_waited_out_and_no_file_is_charged(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", b="beta")
    rehearsal = job(tmp_path, rows_of("abab"), retries=0)
    began = rehearsal.clock.now()

    def answer(request: Request) -> Response | None:
        out = request.content is not None and rehearsal.clock.now() < began + 300_000
        return Response(502, b"bad gateway") if out else None

    rehearsal.answer = answer
    summary = rehearsal.run()
    assert (summary.exit_code, summary.completed) == (0, 4)
    assert 10 < len(rehearsal.uploads()) < 30


def test_an_endless_outage_ends_the_session(tmp_path: Path) -> None:
    write(tmp_path, a="alpha")
    rehearsal = job(tmp_path, rows_of("aa"))
    uploads_answered(rehearsal, lambda _: Response(502, b"bad gateway"))
    assert rehearsal.run(max_outage=60).exit_code == 75
    rehearsal.answer = lambda _request: None
    assert rehearsal.run().exit_code == 0


def test_a_file_that_the_service_cannot_bear_uses_up_its_retries(tmp_path: Path) -> None:
    write(tmp_path, bad="bad", **{f"f{number}": str(number) for number in range(20)})
    names = ["bad", *(f"f{number}" for number in range(20))]
    rehearsal = job(tmp_path, rows_of(names), "answer=upload:500:name=bad", retries=1)
    assert rehearsal.run().exit_code == 3
    assert [(row["row"], row["error_kind"]) for row in rehearsal.errors().values()] == [(0, "exhausted")]
    assert len(rehearsal.uploads()) == 20 + 3


def test_refused_credentials_stop_the_job_and_rows_stay_queued(tmp_path: Path) -> None:
    write(tmp_path, a="alpha")
    rehearsal = job(tmp_path, rows_of("aaa"))
    uploads_answered(rehearsal, lambda _: Response(200, b'{"code":4100,"msg":"no token"}'))
    summary = rehearsal.run()
    assert (summary.exit_code, summary.queued) == (4, 3)
    assert "4100" in (summary.reason or "")
    assert rehearsal.posts() == []
    rehearsal.answer = lambda _request: None
    assert rehearsal.run().exit_code == 0


def test_an_outage_of_submissions_does_not_upload_ahead(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(300)]
    write(tmp_path, **{name: name for name in names})
    rehearsal = job(tmp_path, rows_of(names))
    began = rehearsal.clock.now()

    def answer(request: Request) -> Response | None:
        out = request.body is not None and rehearsal.clock.now() < began + 300_000
        return Response(503, b"out") if out else None

    rehearsal.answer = answer
    rehearsal.run(limit=300, max_runtime=200)
    assert len(rehearsal.uploads()) < 100


def test_a_drain_waits_for_uploads_and_records_them(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", b="beta")
    rehearsal = job(tmp_path, rows_of("ab"), "latency=5", rps=0.01)
    summary = rehearsal.run(max_runtime=2)
    assert (summary.exit_code, summary.queued, len(recorded(rehearsal))) == (75, 2, 2)
    assert rehearsal.run(rps=50).exit_code == 0
    assert len(rehearsal.uploads()) == 2


def test_a_drain_starts_no_further_upload(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(60)]
    write(tmp_path, **{name: name for name in names})
    rehearsal = job(tmp_path, rows_of(names), rps=0.01)
    assert rehearsal.run(max_runtime=2).exit_code == 75
    assert len(rehearsal.uploads()) == len(recorded(rehearsal)) <= 30
    assert rehearsal.run(rps=50).exit_code == 0
    assert len(rehearsal.uploads()) == 60


def test_a_drain_cuts_uploads_that_take_too_long(tmp_path: Path) -> None:
    write(tmp_path, a="alpha")
    rehearsal = job(tmp_path, rows_of("a"), "latency=25")
    began = rehearsal.clock.now()
    assert rehearsal.run(max_runtime=2, drain_timeout=3).exit_code == 75
    assert rehearsal.clock.now() - began < 1000 * (25 + 2 + 3 + 2), "the request before the first row took 25 s"
    assert recorded(rehearsal) == []


def test_one_connection_is_enough_for_uploads_submissions_and_polls(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", b="beta")
    rehearsal = job(tmp_path, rows_of("abab"), "latency=1", max_connections=1)
    assert rehearsal.run().exit_code == 0
    assert len(rehearsal.uploads()) == 2


# -- files that change


def test_a_file_that_vanishes_fails_its_row_only(tmp_path: Path) -> None:
    write(tmp_path, a="alpha", b="beta")
    rehearsal = job(tmp_path, rows_of("ab"))
    assert rehearsal.run(limit=1).exit_code == 0
    (tmp_path / "b").unlink()
    assert rehearsal.run().exit_code == 3
    (error,) = rehearsal.errors().values()
    assert (error["row"], error["error_kind"], error["attempts"]) == (1, "input", 0)
    assert error["error_message"].startswith("b: there is no such file in")
    (tmp_path / "b").write_text("back")
    assert rehearsal.retry().exit_code == 0


def test_without_the_folder_of_the_files_the_session_ends_and_no_row_fails(tmp_path: Path) -> None:
    write(tmp_path / "pictures", a="alpha", b="beta")
    for key in (None, "id"):
        rehearsal = job(tmp_path / str(key), rows_of("ab"), file_root=tmp_path / "pictures", key=key)
        assert rehearsal.run(limit=1).exit_code == 0
        (tmp_path / "pictures").rename(tmp_path / "away")
        summary = rehearsal.run()
        assert (summary.exit_code, summary.failed) == (74, 0)
        assert "pictures: the folder of the files is not there any more" in (summary.reason or "")
        (tmp_path / "away").rename(tmp_path / "pictures")
        assert rehearsal.run().exit_code == 0


@pytest.mark.parametrize("replace", [False, True])
def test_a_file_that_changes_before_its_upload_is_not_sent_under_the_old_digest(tmp_path: Path, replace: bool) -> None:
    write(tmp_path, a="alpha")
    rehearsal = job(tmp_path, rows_of("a"))

    def answer(request: Request) -> None:
        if request.content is None:
            return
        if replace:  # the descriptor is that of the digested file
            (tmp_path / "new").write_text("OTHER")
            (tmp_path / "new").replace(tmp_path / "a")
        else:
            (tmp_path / "a").write_text("OTHER")

    rehearsal.answer = answer
    summary = rehearsal.run()
    if replace:
        assert summary.exit_code == 0
        assert len(recorded(rehearsal)) == 1
        rehearsal.answer = lambda _request: None
        again = job(tmp_path / "again", rows_of("a"), file_root=tmp_path)
        assert again.run().exit_code == 0
        assert recorded(again) != recorded(rehearsal), "what was sent was the file that was digested"
    else:
        assert summary.exit_code == 3
        (error,) = rehearsal.errors().values()
        assert (error["error_kind"], error["error_message"]) == ("input", "a: changed while it was read")
        assert recorded(rehearsal) == []
        assert rehearsal.posts() == []


def test_a_large_file_is_streamed_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_files, "CHUNK", 1000)
    (tmp_path / "a").write_bytes(os.urandom(10_500))
    rehearsal = job(tmp_path, rows_of("a"))
    assert rehearsal.run().exit_code == 0
    assert len(recorded(rehearsal)) == 1


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    write(tmp_path, a="")
    assert job(tmp_path, rows_of("a")).run().exit_code == 0


# -- two nights


def test_the_next_night_reuses_by_content_and_not_by_path_or_reference(tmp_path: Path) -> None:
    write(tmp_path / "mon", a="alpha", b="beta", c="gamma")
    first = job(tmp_path / "mon", rows_of("abc"), key="id")
    assert first.run().exit_code == 0
    write(tmp_path / "tue", moved="alpha", b="changed", c="gamma")
    second = job(tmp_path / "tue", rows_of(["moved", "b", "c"]), key="id", reuse=tmp_path / "mon" / "job")
    summary = second.run()
    assert (summary.exit_code, summary.reused, summary.submissions) == (0, 2, 1)
    assert len(second.uploads()) == 1
    assert set(references(second)) == {1}


def test_a_row_that_is_tried_again_with_another_content_is_known_by_the_new_one(tmp_path: Path) -> None:
    write(tmp_path / "mon", a="alpha")
    first = job(tmp_path / "mon", rows_of("a"), "fault=fail:id=0", key="id")
    assert first.run().exit_code == 3
    (tmp_path / "mon" / "a").write_text("mended")
    first.serve("duration=1")
    assert first.retry().exit_code == 0
    for night, content, reused in (("tue", "alpha", 0), ("wed", "mended", 1)):
        write(tmp_path / night, a=content)
        later = job(tmp_path / night, rows_of("a"), key="id", reuse=tmp_path / "mon" / "job")
        assert later.run().reused == reused


@pytest.mark.parametrize("fault", ["fail:id=0", "stuck:id=0"])
def test_a_later_attempt_reads_the_file_again(tmp_path: Path, fault: str) -> None:
    write(tmp_path / "mon", a="alpha")
    again: dict[str, Any] = {"retry_failed_runs": True} if fault.startswith("fail") else {"run_timeout": 30}
    first = job(tmp_path / "mon", rows_of("a"), f"fault={fault}", key="id", **again)

    def mend() -> None:
        (tmp_path / "mon" / "a").write_text("mended")
        first.serve("duration=1")

    if fault.startswith("fail"):
        first.scheduled.append((0.9, mend))
        assert first.run().exit_code == 0
    else:
        assert first.run().exit_code == 3
        mend()
        assert first.retry().exit_code == 0
    assert len(recorded(first)) == 2
    write(tmp_path / "tue", a="mended")
    later = job(tmp_path / "tue", rows_of("a"), key="id", reuse=tmp_path / "mon" / "job")
    assert later.run().reused == 1


def test_file_columns_are_pinned(tmp_path: Path) -> None:
    write(tmp_path, a="alpha")
    rehearsal = job(tmp_path, rows_of("a"), workflow_id="echo")
    assert rehearsal.run().exit_code == 0
    with pytest.raises(InputError, match=r"--file was \['file'\], now it is not given"):
        rehearsal.run(file=[])
