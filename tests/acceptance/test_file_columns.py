"""`--file` on the installed command: mistakes in files, and a job with a simulator in another process."""

import os
import socket
import sys
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from tests.support.command import batchrun, simulator, started, status

OPEN = ("--workflow-id", "file", "--api", "open")
FILE = (*OPEN, "--file", "file", "-o", "job")
SIMULATED = (*FILE, "--simulate", "--sim", "duration=0.1", "--poll-initial", "0.2")
MISTAKES = {
    "gone": "there is no such file in",
    "../outside": "leads out of",
    "/etc/passwd": "leads out of",
    "link_out": "leads out of",
    "folder_out/outside": "leads out of",
    "folder": "is a directory",
    "": "the path is empty; with --type COLUMN=str an empty cell is null",
    "fifo": "is a FIFO",
    "socket": "is a socket",
    "link_to_device": "leads out of",
    "loop": "is a link that leads nowhere",
    "huge": "the service takes at most 536,870,912",
}


def table(folder: Path, names: list[str]) -> None:
    lines = [f"{number},{name}" for number, name in enumerate(names)]
    (folder / "rows.csv").write_text("\n".join(["id,file", *lines]) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good file and many bad ones."""
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "outside").write_text("secret")
    (folder / "good").write_text("content")
    (folder / "link_in").symlink_to("good")
    (folder / "link_out").symlink_to("../outside")
    (folder / "folder_out").symlink_to("..")
    (folder / "link_to_device").symlink_to("/dev/zero")
    (folder / "loop").symlink_to("loop")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo")
    with (folder / "huge").open("wb") as file:
        file.truncate(512 * 1024 * 1024 + 1)
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # the path of a socket must be short
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
    return folder


@pytest.mark.parametrize("command", ["check", "run"])
def test_every_mistake_in_files_is_told_with_its_row(folder: Path, command: str) -> None:
    table(folder, ["good", *MISTAKES, "http://example.com/x", "link_in"])
    done = batchrun(command, "rows.csv", *FILE, cwd=folder)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if ", row " in line]
    assert len(lines) == 10
    assert "… and 2 more files that cannot be uploaded" in done.stderr
    for number, (name, reason) in list(enumerate(MISTAKES.items(), 1))[:10]:
        assert any(f"rows.csv, row {number}: {name}: {reason}" in line for line in lines), (name, done.stderr)
    assert not (folder / "job").exists()


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_alone_is_refused(folder: Path, name: str) -> None:
    table(folder, [name])
    done = batchrun("check", "rows.csv", *FILE, cwd=folder)
    assert done.returncode == 2
    assert f"rows.csv, row 0: {name}: " in done.stderr
    assert MISTAKES[name] in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the folder of descriptors is on Linux")
def test_a_device_below_the_root_is_refused(tmp_path: Path) -> None:
    table(tmp_path, ["null"])
    done = batchrun("check", "rows.csv", *FILE, "--file-root", "/dev", cwd=tmp_path)
    assert done.returncode == 2
    assert "null: is a device, not a regular file" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--api", "v1"), "--file: --api v1 takes no files; only --api open does"),
        (("--api", "studio"), "--file: --api studio takes no files"),
        (("--api", "auto", "--simulate"), "--file: the API of --simulate, v1, takes no files"),
        (("--api", "open", "--file", "picture"), "--file picture: the input has no column 'picture'"),
        (("--api", "open", "--skip", "file"), "--file file: the column is not sent"),
        (("--api", "open", "--file-root", "nowhere"), "--file-root: there is no folder"),
    ],
)
def test_mistakes_in_the_options(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    (tmp_path / "a").write_text("content")
    table(tmp_path, ["a"])
    done = batchrun("check", "rows.csv", "--workflow-id", "w", "--file", "file", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr


def test_auto_that_turns_out_to_be_v1_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    table(tmp_path, ["a"])
    with simulator(tmp_path) as service:
        job = ("run", "rows.csv", *OPEN[:2], "--file", "file", "-o", "job", "--base-url", service.base_url)
        done = batchrun(*job, "--api", "auto", cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "--file: the service speaks --api v1, which takes no files" in done.stderr
        assert service.stats()["posts"] == 0
        without = ("run", "rows.csv", "--workflow-id", "echo", "-o", "job", "--base-url", service.base_url)
        done = batchrun(*without, cwd=tmp_path)
        assert done.returncode == 0, "the directory was given up"


def test_a_rehearsal_uploads_too(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name * 3_000_000)
    table(tmp_path, [*"abab"])
    done = batchrun("run", "rows.csv", *SIMULATED, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    outputs = pq.read_table(tmp_path / "job" / "outputs.parquet").to_pylist()
    received = [msgspec.json.decode(row["output"])["received"] for row in outputs]
    assert received[0] == received[2] != received[1] == received[3]
    assert msgspec.json.decode(received[0])["file_id"].isdigit()
    again = batchrun("run", "rows.csv", *SIMULATED, cwd=tmp_path)
    assert again.returncode == 0, again.stderr


def test_killed_and_resumed_nothing_is_uploaded_twice(tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(30)]
    for name in names:
        (tmp_path / name).write_text(name)
    table(tmp_path, names * 3)
    with simulator(tmp_path, "--api", "open", "--duration", "0.2") as service:
        job = ("run", "rows.csv", *FILE, "--base-url", service.base_url, "--rps", 100, "--in-doubt", "resubmit")
        with started(*job, cwd=tmp_path) as process:
            service.wait_for("posts", 5)
            process.kill()
        done = batchrun(*job, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        stats = service.stats()
    assert status(tmp_path / "job")["completed"] == 90
    assert 30 <= stats["uploads"] <= 40, "only uploads that were not answered yet may be repeated"
    assert stats["most_uploads_in_a_second"] <= 10


def test_a_preview_shows_where_the_references_go(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    table(tmp_path, ["a"])
    done = batchrun("run", "rows.csv", *SIMULATED, "-n", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"file":"(reference of a)"' in done.stdout


def test_a_check_of_a_job_that_has_begun_names_the_rows_that_will_fail(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name)
    table(tmp_path, [*"ab"])
    assert batchrun("run", "rows.csv", *SIMULATED, "--limit", 1, cwd=tmp_path).returncode == 0
    for name in "ab":
        (tmp_path / name).unlink()
    done = batchrun("check", "rows.csv", *SIMULATED, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "1 row that cannot be sent" in done.stdout
    assert "row 1: b: there is no such file in" in done.stdout
