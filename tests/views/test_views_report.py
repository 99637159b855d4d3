"""Whole reports of whole jobs, as a parser sees them."""

import base64
import csv
import hashlib
import re
import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import batchrun
from batchrun.adapters.checkpoint.schema import VERSION_WITH_TIME_SERIES
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.workers import WorkerFigures, encoded
from batchrun.errors import InputError, StorageError
from batchrun.views.report import page as page_module
from tests.support.rehearsal import Rehearsal
from tests.support.report_pages import HOSTILE, Page, hostile_job, throttled_job


@pytest.fixture(scope="module")
def throttled(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    return throttled_job(tmp_path_factory.mktemp("throttled"))


@pytest.fixture(scope="module")
def page(throttled: Rehearsal) -> Page:
    return Page(batchrun.report(throttled.folder / "job"))


def test_it_answers_how_long_why_what_failed_what_it_cost_and_what_next(page: Page, throttled: Rehearsal) -> None:
    summary = batchrun.status(throttled.folder / "job")
    assert f"It is finished: {summary.completed} of 200 rows completed." in page.text
    assert "the service's quota; it answered 429" in page.text
    assert f"{summary.failed} rows run_failed: each was accepted, and its run failed." in page.text
    first = min(throttled.errors())
    assert f"Most often, as in row {first}: “{throttled.errors()[first]['error_message']}”" in page.text
    assert f"command. {summary.rate:.3g} rows ended per second." in page.text
    assert f"{summary.submissions} submissions" in page.text
    ended = {row: one["finished_at"] for rows in (throttled.outputs(), throttled.errors()) for row, one in rows.items()}
    last = max(ended, key=lambda row: (ended[row], row))
    assert f"the last row to end, row {last}, ended at {ended[last]:%Y-%m-%d %H:%M:%S} UTC" in page.text
    assert f"{summary.throttled} requests got the answer 429" in page.text
    assert f"batchrun retry {throttled.folder / 'job'}" in page.text


def test_it_shows_every_failed_row_and_the_slowest_with_their_inputs_and_runs(page: Page, throttled: Rehearsal) -> None:
    errors = throttled.errors()
    head, *rows = page.tables["job0-failed"]
    assert head == ["row", "state", "error", "code", "message", "id", "attempts", "polls", "run id"]
    assert [int(row[0]) for row in rows] == sorted(errors)
    for row in rows:
        expected = errors[int(row[0])]
        assert row[1:3] == [expected["state"], expected["error_kind"]]
        assert (row[4], row[5], row[8]) == (expected["error_message"], expected["id"], expected["run_id"])
    outputs = throttled.outputs()
    times = [
        outputs[int(row[0])]["updated_at"] - outputs[int(row[0])]["created_at"]
        for row in page.tables["job0-slowest"][1:]
    ]
    assert times == sorted(times, reverse=True)
    assert times[0] == max(one["updated_at"] - one["created_at"] for one in outputs.values())


def test_every_chart_has_a_sentence_and_a_table(page: Page) -> None:
    charts = [one for one in page.all("div") if one.get("class") == "chart"]
    titles = (
        "Throughput",
        "Runs in flight",
        "Run times",
        "Lag until an end was noticed",
        "Polls of a run",
        "Errors over",
    )
    assert len(charts) == len(titles)
    for chart, title in zip(charts, titles, strict=True):
        assert chart["role"] == "img"
        assert (chart["aria-label"] or "").startswith(title)
        assert f"{chart['aria-label']}".partition(". ")[2] in page.text
    data = msgspec.json.decode(next(text for text in page.scripts if text.startswith("{")))
    assert list(data) == [chart["id"] for chart in charts]


def test_it_has_landmarks_captions_scopes_and_labels(page: Page) -> None:
    tags = [tag for tag, _ in page.elements]
    for tag in ("main", "header", "footer", "nav", "h1"):
        assert tags.count(tag) == 1, tag
    assert tags.count("caption") == tags.count("table")
    assert all(one.get("scope") in {"col", "row"} for one in page.all("th"))
    assert all(
        one.get("aria-label") and one.get("tabindex") == "0" for one in page.all("div") if one.get("class") == "scroll"
    )
    labelled = {one.get("for") for one in page.all("label")}
    assert {one.get("id") for one in page.all("input")} <= labelled
    ids = [one["id"] for _, one in page.elements if "id" in one]
    assert len(ids) == len(set(ids))
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]
    assert all(after <= before + 1 or after == 4 for before, after in pairwise(levels))


def test_its_policy_allows_its_own_scripts_alone_and_no_loads(page: Page) -> None:
    (policy,) = [one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    run = [text for text in page.scripts if not text.startswith("{")]
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in run}
    directives = {name: set(values) for name, *values in map(str.split, policy.split(";"))}
    assert directives["default-src"] == {"'none'"}
    assert directives["script-src"] == hashes
    assert "'unsafe-eval'" not in policy
    for tag, attributes in page.elements:
        assert not {"src", "srcset", "data", "action"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert tag not in {"link", "iframe", "object", "embed", "base", "img"}


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    rehearsal = hostile_job(tmp_path)
    path = batchrun.report(rehearsal.folder / "job")
    page = Page(path)
    assert len(page.scripts) == 3
    assert not page.all("img")
    assert len(page.all("style")) == 1
    assert not page.all("b")
    assert all(str(one.get("href")).startswith("#") for one in page.all("a"))
    cells = {cell for rows in page.tables.values() for row in rows for cell in row}
    for text in HOSTILE[:4]:
        assert text in cells
    assert "\\u202egnp.exe\\u202c שלום" in cells
    assert "\\x01\\x1b[31m\\x07" in cells
    assert "\u202e" not in page.source
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", page.source.replace(page.scripts[1], ""))


def test_only_https_addresses_become_links(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 4, "fail=1", "duration=1", "pending=0")
    rehearsal.run()
    links = ["https://example.com/debug?id=1", "javascript:alert(1)", "http://example.com", "https://"]
    with closing(sqlite3.connect(tmp_path / "job" / "checkpoint.db")) as db, db:
        db.executemany("INSERT INTO run_details (row, log_id, debug_url) VALUES (?, 'log', ?)", enumerate(links))
    page = Page(batchrun.report(tmp_path / "job"))
    (link,) = [one for one in page.all("a") if not str(one["href"]).startswith("#")]
    assert link["href"] == links[0]
    assert link["rel"] == "noreferrer noopener"
    assert "javascript:alert(1)" in page.text


def test_redacted_columns_are_left_out_also_where_messages_repeat_them(tmp_path: Path) -> None:
    rows = [{"id": str(row), "email": f"user{row}@example.com"} for row in range(12)]
    rehearsal = Rehearsal(tmp_path, rows, "duration=1", "pending=0")
    sent: dict[str, str] = {}

    def answer(request: Any) -> Any:
        if request.method != "GET":
            return None
        run_id = request.path.rpartition("/")[2]
        row = sent.setdefault(run_id, str(len(sent)))
        with closing(sqlite3.connect(tmp_path / "job" / "checkpoint.db")) as db:
            (row,) = db.execute("SELECT row FROM rows WHERE run_id = ?", (run_id,)).fetchone()
        error = {"code": "BAD", "message": f"no mailbox user{row}@example.com"}
        return rehearsal.polled(request, status="failed", error=error)

    rehearsal.answer = answer
    rehearsal.run()
    assert "user3@example.com" in Page(batchrun.report(tmp_path / "job")).source
    page = Page(batchrun.report(tmp_path / "job", redact=["email"]))
    assert "@example.com" not in page.source
    assert "no mailbox [left out]" in page.text
    assert "Left out: the values of email." in page.text
    with pytest.raises(InputError, match=r"no such column\. Its columns: id, email"):
        batchrun.report(tmp_path / "job", redact=["mail"])
    with pytest.raises(InputError, match="list of columns"):
        batchrun.report(tmp_path / "job", redact="email")


def test_jobs_of_earlier_versions_empty_jobs_and_jobs_without_input_have_reports(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 6, "fail=0.5", "duration=1", "pending=0")
    rehearsal.run()
    with closing(sqlite3.connect(tmp_path / "job" / "checkpoint.db")) as db, db:
        db.execute("DROP TABLE time_series")
        db.execute(f"PRAGMA user_version = {VERSION_WITH_TIME_SERIES - 1}")
    rehearsal.input.unlink()
    page = Page(batchrun.report(tmp_path / "job"))
    assert "Throughput over time was not recorded" in page.text
    assert "What limited it is not known" in page.text
    assert "its values are those of the result files" in page.text
    assert page.tables["job0-failed"][1][5] in {str(row) for row in range(6)}
    (tmp_path / "empty").mkdir()
    empty = Rehearsal(tmp_path / "empty", 0)
    empty.run()
    page = Page(batchrun.report(tmp_path / "empty" / "job"))
    assert "It is finished: all 0 rows completed." in page.text
    assert "No run has completed." in page.text


def test_it_tells_of_the_workers_of_the_last_command_and_which_were_lost(tmp_path: Path) -> None:
    Rehearsal(tmp_path, 6, "duration=1").run()
    workers = [WorkerFigures("w0", "here", 1, 0, 1_200), WorkerFigures("w1", "there", 2, 0, 40, is_lost=True)]
    with Checkpoint(tmp_path / "job" / "checkpoint.db") as checkpoint:
        checkpoint.set_meta(workers=encoded(workers))
    page = Page(batchrun.report(tmp_path / "job"))
    told = "The last command ran on 2 workers on 2 machines, which sent: w0 1,200, w1 40. Lost on the way: w1."
    assert told in page.text


def test_a_killed_job_says_so_and_how_to_go_on(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 50, "duration=3", "pending=0")
    rehearsal.run(kill_after=60)
    page = Page(batchrun.report(tmp_path / "job"))
    assert re.search(r"It was killed, crashed or quit after \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: ", page.text)
    assert "This command goes on where the last one stopped." in page.text
    assert f"batchrun resume {tmp_path / 'job'}" in page.text


def test_a_sweep_says_which_variant_is_better_and_shows_the_rows_that_flipped(tmp_path: Path) -> None:
    rows = [{"id": str(row), "truth": "good"} for row in range(30)]
    rehearsal = Rehearsal(tmp_path, rows, "duration=1", "pending=0")
    rehearsal.run(vary={"word": ["good", "bad"]}, score={"right": "exact:echo.word:truth"}, skip=["truth"], key="id")
    page = Page(batchrun.report(tmp_path / "job"))
    assert (
        "right: word=bad is worse than word=good by 1.000 over 30 rows; unlikely to be chance (p < 0.001)." in page.text
    )
    assert "rows that are worse under word=bad (10 shown)" in page.text
    assert "It is a sweep: 30 rows of the input under 2 variants." in page.text
    (flips,) = [rows for rows in page.tables.values() if rows[0] == ["row", "word=good", "word=bad"]]
    assert len(flips) == 11
    assert all('"good"' in row[1] and '"bad"' in row[2] for row in flips[1:])
    assert all("score 1; row" in row[1] and "score 0; row" in row[2] for row in flips[1:])
    redacted = Page(batchrun.report(tmp_path / "job", redact=["id"]))
    assert "row 0" in redacted.text
    with pytest.raises(InputError, match="names of the variants"):
        batchrun.report(tmp_path / "job", redact=["word"])


def test_several_jobs_stand_side_by_side_in_a_named_file(tmp_path: Path, throttled: Rehearsal) -> None:
    other = Rehearsal(tmp_path, 20, "duration=1")
    other.run()
    folders = throttled.folder / "job", tmp_path / "job"
    with pytest.raises(InputError, match=r"needs -o FILE\.html"):
        batchrun.report(*folders)
    page = Page(batchrun.report(*folders, to=tmp_path / "both.html"))
    assert "2 jobs side by side" in page.text
    assert [str(one.get("aria-label")) for one in page.all("article")] == list(map(str, folders))
    assert {"job0-failed", "job0-slowest", "job1-slowest"} <= set(page.tables)
    with pytest.raises(InputError, match="named twice"):
        batchrun.report(folders[0], folders[0], to=tmp_path / "both.html")


@pytest.mark.parametrize(("to", "match"), [("data.db", "HTML file"), ("no/where.html", "no directory")])
def test_a_name_that_cannot_be_the_page_is_refused(tmp_path: Path, throttled: Rehearsal, to: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        batchrun.report(throttled.folder / "job", to=tmp_path / to)
    assert not list(tmp_path.iterdir())


def test_it_stays_below_its_limit_whatever_the_job(tmp_path: Path) -> None:
    rows = [["\U0001f4a3" * 5000 + f'"&<>{row}'] * 14 for row in range(300)]
    rehearsal = Rehearsal(tmp_path, 1, "fail=0.6", "duration=1", "pending=0")
    pq.write_table(
        pa.table([list(column) for column in zip(*rows, strict=True)], [f"c{n}" for n in range(14)]),
        tmp_path / "rows.parquet",
    )
    rehearsal.run(input=tmp_path / "rows.parquet")
    path = batchrun.report(tmp_path / "job")
    assert path.stat().st_size <= page_module.MAX_BYTES
    assert "2 further columns are not shown" in Page(path).text


def test_values_of_json_are_shown_as_they_are_sent_and_missing_ones_are_empty(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1, "fail=1", "duration=1", "pending=0")
    lines = ['{"v": {"a": [1, 2]}}', '{"v": 12345678901234567890}', '{"w": null}']
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    rehearsal.run(input=tmp_path / "rows.jsonl")
    rows = Page(batchrun.report(tmp_path / "job")).tables["job0-failed"]
    assert [row[5:7] for row in rows[1:]] == [['{"a": [1, 2]}', ""], ["12345678901234567890", ""], ["", ""]]


def test_a_checkpoint_that_is_damaged_is_told_and_no_page_is_written(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 6, "fail=1", "duration=1")
    rehearsal.run()
    with closing(sqlite3.connect(tmp_path / "job" / "checkpoint.db")) as db, db:
        db.execute("DROP TRIGGER rows_follow_transitions")
        db.execute("UPDATE rows SET error_kind = 'what'")
    with pytest.raises(StorageError, match="damaged"):
        batchrun.report(tmp_path / "job")
    assert not (tmp_path / "job" / "report.html").exists()


def test_a_csv_reader_is_not_needed_for_the_input_columns(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "fail=1", "duration=1", "pending=0")
    with rehearsal.input.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "text"], ["1", "a,b"], ["2", 'say "hi"'], ["3", ""]])
    rehearsal.run()
    rows = Page(batchrun.report(tmp_path / "job")).tables["job0-failed"]
    assert [row[5:7] for row in rows[1:]] == [["1", "a,b"], ["2", 'say "hi"'], ["3", ""]]
