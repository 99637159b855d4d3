"""File columns: each content is uploaded once in a job, and a refused one fails its rows before they are paid for."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchrun.adapters.files import local_files
from batchrun.errors import InputError
from batchrun.ports import Request
from tests.engine.upload_jobs import DAY, job, parameters, recorded, references, rows_of, write

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
    with pytest.raises(InputError, match="was: --file file; now: no --file"):
        rehearsal.run(file=[])
