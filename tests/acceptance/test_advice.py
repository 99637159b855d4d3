"""What a careful colleague would say: about suspicious inputs, about a job that is done, and about rows that failed."""

import json
from pathlib import Path

import pytest

from tests.support.command import batchrun, environment, rows_file

SERVICE = ("--workflow-id", "echo", "--simulate", "--sim", "duration=0.1", "--poll-initial", "0.2", "--rps", "100")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,foo\n2,bar\n", "the first line names the columns, and '1' does not look like a name"),
        ("id, text\n1,a\n", "blanks belong to the name of a column: ' text'. To send it without them: --rename text="),
        ("id,text\n", "rows.csv: has no rows, so nothing is sent"),
        ("id;text\n1;a\n", "Try --delimiter ';'"),
    ],
)
def test_suspicious_inputs_are_warned_of(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rows.csv").write_text(text)
    done = batchrun("check", "rows.csv", *SERVICE, cwd=tmp_path)
    assert done.returncode == 0
    assert said in done.stderr
    assert "result    1 warning, see above\n" in done.stdout


def test_rows_that_cannot_be_sent_are_told_with_their_line_and_are_not_to_be_retried(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('id,text\n1,5\n\n2,"a\nb"\n3,x\n')
    typed = ("--type", "text=int", "--param", "n=text")
    found = batchrun("check", "rows.csv", *SERVICE, *typed, cwd=tmp_path)
    assert found.returncode == 3
    assert "rows.csv, line 4 (row 1): input 'n' (column 'text'): 'a\\nb' is not a whole number" in found.stdout
    assert "rows.csv, line 6 (row 2): input 'n' (column 'text'): 'x' is not a whole number" in found.stdout
    as_json = json.loads(batchrun("check", "rows.csv", *SERVICE, *typed, "--json", cwd=tmp_path).stdout)
    assert [row["line"] for row in as_json["unsendable"]] == [4, 6]
    done = batchrun("run", "rows.csv", *SERVICE, *typed, cwd=tmp_path)
    assert done.returncode == 3
    assert "errors     2 input  such as row 1: input 'n' (column 'text')" in done.stdout
    assert "batchrun retry" not in done.stdout + done.stderr
    check, run = "batchrun check -c rows-simulated/job.toml", "batchrun run FILE -c rows-simulated/job.toml -o NEWDIR"
    assert f"\nNext: put the corrected rows into FILE (their lines: {check}), then: {run}\n" in done.stdout
    named = batchrun(*check.split()[1:], cwd=tmp_path)
    assert "rows.csv, line 6 (row 2)" in named.stdout
    (tmp_path / "mended.csv").write_text("id,text\n2,6\n3,7\n")
    mended = batchrun(*run.replace("FILE", "mended.csv").split()[1:], cwd=tmp_path)
    assert mended.returncode == 0, mended.stderr
    assert "2: 2 completed" in mended.stdout


def test_lines_of_jsonl_and_of_a_file_with_a_separator_line(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n{"a": 1}\n')
    twice = batchrun("check", "rows.jsonl", *SERVICE, "--key", "a", cwd=tmp_path)
    assert "rows.jsonl: line 1 (row 0) and line 4 (row 2) have the same key 'a': '1'" in twice.stderr
    (tmp_path / "rows.csv").write_text("sep=;\na;b\n1;x\n1;y\n")
    twice = batchrun("check", "rows.csv", *SERVICE, "--key", "a", cwd=tmp_path)
    assert "rows.csv: line 3 (row 0) and line 4 (row 1) have the same key 'a': '1'" in twice.stderr


def test_a_job_that_is_done_says_so(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    assert batchrun("run", "rows.csv", *SERVICE, "-o", "job", cwd=tmp_path).returncode == 0
    again = batchrun("run", "rows.csv", *SERVICE, "-o", "job", cwd=tmp_path)
    assert "nothing left to do: all 2 rows have ended" in again.stderr
    assert "no failed or timed-out rows to retry" in batchrun("retry", "job", cwd=tmp_path).stderr


def test_only_rows_of_one_kind_are_retried(tmp_path: Path) -> None:
    rows_file(tmp_path, 4)
    faults = ("--sim", "fault=fail:id=1", "--sim", "fault=reject:id=3")
    assert batchrun("run", "rows.csv", *SERVICE, *faults, "-o", "job", cwd=tmp_path).returncode == 3
    retried = json.loads(batchrun("retry", "job", "--kind", "run_failed", "--json", "-q", cwd=tmp_path).stdout)
    assert retried["session"]["submissions"] == 1
    assert retried["errors"] == {"rejected": 1, "run_failed": 1}
    none = batchrun("retry", "job", "--kind", "timeout", cwd=tmp_path)
    assert "no failed or timed-out rows of the given --kind to retry" in none.stderr
    unknown = batchrun("retry", "job", "--kind", "failed", cwd=tmp_path)
    assert unknown.returncode == 2
    assert "--kind failed: expected input, rejected, run_failed" in unknown.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "rows.csv", "--workflow-id", "w", "--resume"), "To resume a job: batchrun resume DIR"),
        (("run", "rows.csv", "--workflow-id", "7 4", "--simulate"), "--workflow-id: holds a blank; give the ID alone"),
        (("history", "run-1"), "To rehearse without an account: batchrun run … --simulate"),
        (("status", "folder"), "folder: holds no job: its job.toml names no input and workflow"),
        (("status", "nowhere"), "nowhere: no such directory; name the run directory of a job\n"),
        (("export", "job", "--to", "rows.csv"), "--to rows.csv: exists and is not a directory"),
    ],
)
def test_advice_fits_the_command(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    rows_file(tmp_path, 1)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "job.toml").write_text("rps = 5\n")
    if arguments[0] == "export":
        assert batchrun("run", "rows.csv", *SERVICE, "-o", "job", cwd=tmp_path).returncode == 0
    done = batchrun(*arguments, cwd=tmp_path, env=environment(COZE_API_TOKEN=""))
    assert done.returncode == 2
    assert said in done.stderr


def test_an_input_that_was_edited_or_moved(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    job = ("run", "rows.csv", *SERVICE, "-o", "job", "--key", "id")
    assert batchrun(*job, "--limit", "2", cwd=tmp_path).returncode == 0
    before = (tmp_path / "rows.csv").read_text()
    (tmp_path / "rows.csv").write_text(before.replace("row 1", "ROW 1"))
    for command in (job, ("resume", "job")):
        edited = batchrun(*command, cwd=tmp_path)
        assert edited.returncode == 2
        assert "line 3 (row 1): 'text' was 'row 1', now it is 'ROW 1'" in edited.stderr
        assert "With -o NEWDIR --reuse job, rows that have not changed are not paid for again." in edited.stderr
    (tmp_path / "rows.csv").unlink()
    (tmp_path / "moved.csv").write_text(before)
    gone = batchrun("resume", "job", "--limit", "3", cwd=tmp_path)
    assert gone.returncode == 2
    assert "If it was moved: batchrun run NEWPATH --workflow-id echo -o job" in gone.stderr
    assert batchrun("run", "moved.csv", *job[2:], cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--log-file", "rows.csv"), "--log-file rows.csv: is a file that the job reads"),
        (("--log-file", "job/job.toml"), "--log-file job/job.toml: is a file of the run directory"),
        (("-o", "--fresh"), "-o: '--fresh' looks like an option; is the name missing?"),
        (("other.csv",), "Only Parquet files can be several; put the others into one file first"),
        (("-o", ".", "--fresh"), "--fresh would set . aside, with the input rows.csv in it"),
    ],
)
def test_what_would_damage_a_file_is_refused_before_it_is_touched(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    rows_file(tmp_path, 2)
    (tmp_path / "job.toml").touch()
    (tmp_path / "outputs.parquet").touch()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = batchrun("run", "rows.csv", *SERVICE, "-o", "job", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_export_does_not_replace_the_results_of_another_job(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    for name in ("one", "two"):
        assert batchrun("run", "rows.csv", *SERVICE, "-o", name, "-q", cwd=tmp_path).returncode == 0
    refused = batchrun("export", "one", "--to", "two", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--to two: is the run directory of another job" in refused.stderr


_START_ANOTHER = (
    "Put back what was changed, or start another job: batchrun run with another -o, or with --fresh, which sets this "
    "one aside."
)


def test_a_difference_is_told_as_it_is_typed(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,kind,text\n1,a,b\n")
    before = ("--param", "kind=kind", "--param", "a b=text", "--const", "n=[1]")
    assert batchrun("run", "rows.csv", *SERVICE, "-o", "job", *before, cwd=tmp_path).returncode == 0
    done = batchrun(
        "run", "rows.csv", *SERVICE, "-o", "job", "--skip", "id", "--skip", "kind", "--type", "text=str", cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "Error: job: its job was begun differently:",
        "  was: --param kind=kind --param 'a b=text'; now: no --param",
        "  was: no --skip; now: --skip id --skip kind (with the targets of --score)",
        "  was: --const 'n=[1]'; now: no --const",
        "  was: no --type; now: --type text=str",
        _START_ANOTHER,
    ]


def test_only_a_changed_input_is_told_how_to_reuse_results(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    assert batchrun("run", "rows.csv", *SERVICE, "-o", "job", cwd=tmp_path).returncode == 0
    assert batchrun("run", "rows.csv", *SERVICE, "-o", "keyed", "--key", "id", cwd=tmp_path).returncode == 0
    (tmp_path / "rows.csv").write_text("id,text\n0,other\n1,text 1\n")
    for options, hint in (
        (("-o", "job"), "Next time begin with --key COLUMN: then, with -o NEWDIR --reuse"),
        (("-o", "job", "--key", "id"), "Next time begin with --key COLUMN: then, with -o NEWDIR --reuse"),
        (("-o", "keyed", "--key", "id"), "With -o NEWDIR --reuse keyed, rows that have not changed"),
    ):
        changed = batchrun("run", "rows.csv", *SERVICE, *options, cwd=tmp_path)
        assert changed.returncode == 2
        assert changed.stderr.splitlines()[-1].startswith(hint) == (options != ("-o", "job", "--key", "id"))


def test_a_log_file_on_a_full_disk_is_reported_once(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    done = batchrun("run", "rows.csv", *SERVICE, "-q", "--log-file", "/dev/full", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "--log-file /dev/full: No space left on device; the job goes on without it" in done.stderr


def test_a_selection_that_finds_nothing_is_warned_of(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    done = batchrun("run", "rows.csv", *SERVICE, "--select", "x=outptu", "--select", "y=echo.text", cwd=tmp_path)
    assert done.returncode == 0
    assert "--select x: is null in all 2 outputs" in done.stderr
    assert "--select y" not in done.stderr


def test_a_folder_with_a_job_file_of_your_own_is_not_named_as_a_run_directory(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert batchrun("init", "mine/job.toml", cwd=tmp_path).returncode == 0
    done = batchrun("head", "mine/result", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "Error: mine/result: no such directory; name the run directory of a job\n"
