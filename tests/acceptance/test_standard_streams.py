"""Standard output and error that are closed, full, or unable to take a character."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support.command import RUN_FAST, batchrun, rows_file
from tests.support.streams import close, encode, fill, leave

RUN = RUN_FAST


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an input and the run directory `done` of a job with a failed row."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "rows.csv").write_text("id,text\n1,héllo\n2,你好\n3,😀\n", encoding="utf-8")
    done = batchrun(*RUN, "--sim", "fault=fail:id=2", "-o", "done", "-q", cwd=folder)
    assert done.returncode == 3, done.stderr
    return folder


PRINTING = {
    "--version": ("--version",),
    "--help": ("run", "--help"),
    "run": (*RUN, "-o", "new", "--fresh"),
    "run --json": (*RUN, "-o", "new", "--fresh", "--json"),
    "status": ("status", "done"),
    "status --json": ("status", "done", "--json"),
    "head": ("head", "done"),
    "export": ("export", "done", "--to", "there"),
    "check": ("check", *RUN[1:], "-o", "other"),
    "dry-run": (*RUN, "-o", "other", "--dry-run"),
    "simulate": ("simulate", "--port", "0"),
}


@pytest.mark.parametrize("how", [close, fill])
@pytest.mark.parametrize("name", PRINTING)
def test_output_that_cannot_be_written_is_an_error(job: Path, name: str, how: Callable[[int], None]) -> None:
    done = batchrun(*PRINTING[name], cwd=job, before=partial(how, 1))
    reason = "Bad file descriptor" if how is close else "No space left on device"
    assert done.returncode == 74, done.stderr
    assert f"Error: standard output: cannot be written: {reason}" in done.stderr
    if name.startswith("run"):
        assert "The job itself has ended with 0" in done.stderr
        assert json.loads((job / "new" / "summary.json").read_text())["exit_code"] == 0


@pytest.mark.parametrize("how", [close, fill])
@pytest.mark.parametrize(
    ("command", "code"), [((*RUN, "-o", "new", "--fresh", "-q"), 0), (("status", "nowhere"), 2), (("nonsense",), 2)]
)
def test_where_nothing_has_to_be_printed_it_is_none(
    job: Path, command: tuple[str, ...], code: int, how: Callable[[int], None]
) -> None:
    done = batchrun(*command, cwd=job, before=partial(how, 1))
    assert done.returncode == code
    assert "standard output" not in done.stderr


@pytest.mark.parametrize("how", [close, fill])
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ((*RUN, "-o", "new", "--fresh", "-v"), 0),
        ((*RUN, "-o", "new", "--fresh", "--progress", "json"), 0),
        ((*RUN, "-o", "new", "--fresh", "--progress", "bar"), 0),
        (("status", "nowhere"), 2),
        (("run", "absent.csv", "--workflow-id", "w", "--simulate", "--progress", "json"), 2),
        (("nonsense",), 2),
    ],
)
def test_a_standard_error_that_takes_nothing_changes_no_exit_code(
    job: Path, command: tuple[str, ...], code: int, how: Callable[[int], None]
) -> None:
    assert batchrun(*command, cwd=job, before=partial(how, 2)).returncode == code


def test_files_do_not_take_the_place_of_closed_streams(job: Path) -> None:
    assert batchrun(*RUN, "-o", "new", "--fresh", "-q", cwd=job, before=partial(close, 0, 1, 2)).returncode == 0
    assert json.loads(batchrun("status", "new", "--json", cwd=job).stdout)["completed"] == 3


@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", "latin-1:strict", "gbk:strict"])
def test_what_an_encoding_does_not_have_is_escaped(job: Path, encoding: str) -> None:
    in_it = partial(encode, encoding)
    for command in (("head", "done"), ("head", "done", "--errors"), PRINTING["dry-run"], PRINTING["run"]):
        done = batchrun(*command, cwd=job, before=in_it)
        assert done.returncode == 0, done.stderr
    shown = batchrun("head", "done", cwd=job, before=in_it).stdout
    assert "\\U0001f600" in shown
    for command in (("head", "done", "--json"), PRINTING["run --json"], ("status", "done", "--json")):
        done = batchrun(*command, cwd=job, before=in_it)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])
    assert "😀" in batchrun("head", "done", "--json", cwd=job, before=in_it).stdout


def test_a_reader_that_goes_away_is_no_error(job: Path) -> None:
    for command in (("head", "done"), ("status", "done", "--json"), ("--version",), PRINTING["run"]):
        done = batchrun(*command, cwd=job, before=partial(leave, 1))
        assert (done.returncode, "standard output" in done.stderr) == (0, False)


@pytest.mark.parametrize(
    "command",
    [
        ("run", "r\udcff.csv", "--workflow-id", "w", "--simulate"),
        ("run", "rows.csv", "--workflow-id", "w", "--simulate", "-o", "o\udcff"),
        ("run", "rows.csv", "--workflow-id", "w", "--simulate", "--const", "x=\udcff"),
        ("status", "j\udcff"),
        ("export", "done", "--to", "t\udcff"),
        ("history", "1", "--workflow-id", "\udcff"),
        ("\udcff",),
    ],
)
def test_arguments_that_are_not_text_are_refused(job: Path, command: tuple[str, ...]) -> None:
    done = batchrun(*command, cwd=job)
    assert done.returncode == 2
    assert "\\xff" in done.stderr
    assert "is not text in the encoding of this system" in done.stderr


def test_files_whose_names_are_not_text_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xff"))
    folder.mkdir()
    rows_file(folder, 2)
    done = batchrun(*RUN, cwd=folder)
    assert done.returncode == 2
    assert "d\\xff/rows-simulated: its name is not UTF-8" in done.stderr
    elsewhere = batchrun(*RUN, "-o", tmp_path / "job", cwd=folder)
    assert elsewhere.returncode == 2
    assert "d\\xff/rows.csv: its name is not UTF-8" in elsewhere.stderr
    assert [path.name for path in folder.iterdir()] == ["rows.csv"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_job_in_such_a_folder_can_still_be_read(tmp_path: Path, job: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xff"))
    folder.mkdir()
    for command in (("status", job / "done"), ("head", job / "done"), ("export", job / "done", "--to", "there")):
        done = batchrun(*command, cwd=folder)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", [close, fill])
def test_a_job_file_is_written_whether_that_can_be_said_or_not(tmp_path: Path, how: Callable[[int], None]) -> None:
    done = batchrun("init", cwd=tmp_path, before=partial(how, 1))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "batchrun.toml").exists()
