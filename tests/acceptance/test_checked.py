"""`check` and `--dry-run`: everything that can be found wrong, told at once; nothing sent, nothing made."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.command import batchrun, rows_file, simulator

RUN = ("rows.csv", "--workflow-id", "echo", "--simulate")


def test_a_check_says_what_would_be_sent_and_makes_nothing(tmp_path: Path) -> None:
    rows_file(tmp_path, 1000)
    before = sorted(tmp_path.iterdir())
    done = batchrun("check", *RUN, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1,000 rows" in done.stdout
    assert "id, text" in done.stdout
    assert "no problems found" in done.stdout
    done = batchrun("run", *RUN, "-n", "--rps", 5, "--sim", "duration=2", cwd=tmp_path)
    assert done.returncode == 0
    for said in ('{"id":"0","text":"row 0"}', '{"id":"2","text":"row 2"}', "1,000 submissions, 2,000 polls", "--rps 5"):
        assert said in done.stdout
    assert "row 3" not in done.stdout
    assert "if a run takes 2 s, as the simulator is told" in done.stdout
    short = batchrun("run", *RUN, "-n", "--sim", "duration=0.2", cwd=tmp_path)
    assert "if a run takes 200 ms, as the simulator is told" in short.stdout
    assert sorted(tmp_path.iterdir()) == before


def test_a_check_shows_the_time_limits_that_were_given_in_their_unit(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    assert "limits" not in batchrun("check", *RUN, cwd=tmp_path).stdout
    limits = ("--max-runtime", "5", "--max-outage", "15m", "--run-timeout", "90m")
    done = batchrun("check", *RUN, *limits, cwd=tmp_path)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("limits")]
    assert line.split(maxsplit=1)[1] == "--max-runtime 5 s, --run-timeout 1:30:00"


def test_more_workers_than_the_memory_holds_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    rows_file(tmp_path, 3)
    for command in ("check", "run"):
        done = batchrun(command, *RUN, "-o", "job", "--workers", 1_000_000, cwd=tmp_path)
        assert done.returncode == 2
        assert "--workers 1,000,000: this machine has memory for" in done.stderr
        assert not (tmp_path / "job").exists()


def test_a_check_sends_nothing_even_with_a_service_at_hand(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    with simulator(tmp_path) as service:
        done = batchrun("run", "rows.csv", "--workflow-id", "echo", "--base-url", service.base_url, "-n", cwd=tmp_path)
        assert done.returncode == 0
        assert service.base_url in done.stdout
        assert service.stats()["posts"] == service.stats()["polls"] == 0


def test_all_mistakes_of_all_places_are_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('a,b\n1,2\n3\n"x')
    (tmp_path / "job.toml").write_text('rps = 0\nmax-in-flihgt = 3\n[param]\nx = "nope"\n')
    for command in ("run", "check"):
        options = ("--key", "id", "--select", "y=a[", "--simulate", "--sim", "fial=3")
        done = batchrun(command, "rows.csv", "-c", "job.toml", *options, cwd=tmp_path)
        assert done.returncode == 2
        for said in (
            "job.toml, line 1: rps",
            "did you mean max-in-flight?",
            "--workflow-id is missing",
            "--param x=nope",
            "--key id",
            "rows.csv: line 3: has 1 cell",
            "rows.csv: line 4: a quote is opened",
            "--select y='a[': is not a valid JMESPath expression: it ends too early",
            "unknown simulator option 'fial'; did you mean 'fail'?",
        ):
            assert said in done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["job.toml", "rows.csv"]


def test_a_check_of_a_job_that_has_begun_compares_it_and_counts_what_is_left(tmp_path: Path) -> None:
    rows_file(tmp_path, 10)
    fast = ("--sim", "duration=0.1", "--sim", "pending=0", "--poll-initial", "0.2", "--rps", "100")
    assert batchrun("run", *RUN, *fast, "--limit", 4, "-o", "job", cwd=tmp_path).returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "job").glob("*.db")}
    found = json.loads(batchrun("check", *RUN, "-o", "job", "--json", cwd=tmp_path).stdout)
    assert (found["began"], found["rows"], found["left"]) == (True, 10, 6)
    assert found["estimates"][0]["submissions"] == 6
    done = batchrun("check", "rows.csv", "--workflow-id", "other", "--simulate", "-o", "job", cwd=tmp_path)
    assert done.returncode == 2
    assert "was: --workflow-id echo; now: --workflow-id other" in done.stderr
    assert (
        batchrun("check", *RUN[:1], "--workflow-id", "x", "--simulate", "-o", "job", "--fresh", cwd=tmp_path).returncode
        == 0
    )
    assert {path: path.read_bytes() for path in (tmp_path / "job").glob("*.db")} == before


def test_rows_that_will_fail_are_named(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("n,t\n1,a\nx,b\n,c\n")
    done = batchrun("check", *RUN, "--type", "n=int", cwd=tmp_path)
    assert done.returncode == 3
    assert "1 row that cannot be sent" in done.stdout
    assert "rows.csv, line 3 (row 1): input 'n': 'x' is not a whole number" in done.stdout


def test_a_wrong_type_does_not_hide_the_other_mistakes(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3\n")
    done = batchrun("check", *RUN, "--type", "c=int", "--skip", "d", "--key", "e", cwd=tmp_path)
    assert done.returncode == 2
    for said in ("--type c=int: the input has no column 'c'", "--skip d", "--key e", "rows.csv: line 3"):
        assert done.stderr.count(said) == 1


def test_a_look_at_a_job_that_has_begun_leaves_its_directory_as_it_was(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    fast = ("--sim", "duration=0.1", "--sim", "pending=0", "--poll-initial", "0.2", "--key", "id", "-o", "job")
    assert batchrun("run", *RUN, *fast, cwd=tmp_path).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "job").iterdir()}
    for command in (("check", *RUN), ("run", "-n", *RUN)):
        assert batchrun(*command, *fast, cwd=tmp_path).returncode == 0
        assert batchrun(*command, "--key", "id", "--reuse", "job", "-o", "next", cwd=tmp_path).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "job").iterdir()} == before


def test_what_a_folder_holds_besides_its_rows_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    pq.write_table(pa.table({"id": [1]}), folder / "a.parquet")
    (folder / "late.csv").write_text("id\n2\n")
    done = batchrun("check", "data", "--workflow-id", "w", "--simulate", cwd=tmp_path)
    assert done.returncode == 0
    assert "data: these are not read: late.csv. " in done.stderr
