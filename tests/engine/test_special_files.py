"""A FIFO, a device or a link to itself in the place of a file is refused. To open some of them would wait for ever."""

import os
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchrun.app.check import check
from batchrun.app.export import export
from batchrun.app.head import head
from batchrun.app.python_api import resume
from batchrun.app.status import status
from batchrun.domain.filenames import OWN_FILES
from batchrun.errors import InputError
from batchrun.job import build_job
from tests.support.rehearsal import Rehearsal


def bind_socket(path: Path) -> None:
    folder = Path.cwd()
    os.chdir(path.parent)  # the path of a socket must be short
    try:
        with closing(socket.socket(socket.AF_UNIX)) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(folder)


KINDS: dict[str, Callable[[Path], None]] = {
    "a FIFO": os.mkfifo,
    "a socket": bind_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a directory": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_the_job(tmp_path: Path, kind: str) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run()
    job = tmp_path / "job"
    for name in sorted(OWN_FILES - {"simulator.db", "summary.json"}):
        path, aside = job / name, tmp_path / "aside"
        is_there = path.exists()
        if is_there:
            path.rename(aside)
        KINDS[kind](path)
        words = f"{name}: is {kind}, not a file of a job"
        for command in (status, export, head, resume):
            with pytest.raises(InputError, match=words):
                command(job)
        with pytest.raises(InputError, match=words):
            rehearsal.run()
        with pytest.raises(InputError, match=words):
            check(build_job(rehearsal.options), "token", fresh=False, look_up=False)
        path.rmdir() if kind == "a directory" else path.unlink()
        if is_there:
            aside.rename(path)
    assert rehearsal.run().completed == 3
    assert len(rehearsal.posts()) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_fresh_sets_it_aside(tmp_path: Path, kind: str) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run()
    for name in ("checkpoint.db", "job.toml", "progress.json"):
        (tmp_path / "job" / name).unlink()
        KINDS[kind](tmp_path / "job" / name)
    assert rehearsal.run(fresh=True).completed == 3


@pytest.mark.parametrize("kind", ["a FIFO", "a device"])
def test_files_that_export_would_replace(tmp_path: Path, kind: str) -> None:
    Rehearsal(tmp_path, 3, "duration=1").run()
    (tmp_path / "to").mkdir()
    KINDS[kind](tmp_path / "to" / "outputs.parquet")
    with pytest.raises(InputError, match=f"is {kind}"):
        export(tmp_path / "job", tmp_path / "to")


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "folder/rows.parquet"])
@pytest.mark.parametrize("kind", ["a FIFO", "a socket", "a device"])
def test_an_input(tmp_path: Path, kind: str, name: str) -> None:
    rehearsal = Rehearsal(tmp_path, 3)
    rehearsal.input.unlink()
    (tmp_path / "folder").mkdir()
    pq.write_table(pa.table({"id": [1]}), tmp_path / "folder" / "a.parquet")
    KINDS[kind](tmp_path / name)
    given = tmp_path / name if "/" not in name else tmp_path / "folder"
    words = r"rows\.\w+: (is not a regular file|is a \w+, not a regular file|cannot be read: No such device)"
    with pytest.raises(InputError, match=words):
        rehearsal.run(input=given)
    assert not rehearsal.requests


@pytest.mark.parametrize("given", ["folder", "folder/*.parquet"])
@pytest.mark.parametrize(
    ("target", "words"), [("gone.parquet", "is a link that leads nowhere"), ("b.parquet", "symbolic links")]
)
def test_a_link_that_leads_nowhere_among_several_files_is_named(
    tmp_path: Path, given: str, target: str, words: str
) -> None:
    rehearsal = Rehearsal(tmp_path, 3)
    (tmp_path / "folder").mkdir()
    pq.write_table(pa.table({"id": [1]}), tmp_path / "folder" / "a.parquet")
    (tmp_path / "folder" / "b.parquet").symlink_to(target)
    with pytest.raises(InputError, match=rf"folder/b\.parquet: .*{words}"):
        rehearsal.run(input=tmp_path / given)


def test_a_database_that_is_a_link(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run()
    path = tmp_path / "job" / "checkpoint.db"
    path.rename(tmp_path / "elsewhere.db")
    for target in ("../elsewhere.db", "nowhere.db"):
        path.symlink_to(target)
        for command in (status, resume):
            with pytest.raises(InputError, match=r"checkpoint\.db: is a link.*checkpoint[-_]dir"):
                command(tmp_path / "job")
        path.unlink()


@pytest.mark.parametrize("option", ["input", "reuse", "out", "checkpoint_dir", "ca_file", "schema", "token_file"])
def test_paths_that_are_a_link_to_itself(tmp_path: Path, option: str) -> None:
    rehearsal = Rehearsal(tmp_path, 3)
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    if option == "reuse":
        rehearsal.options["key"] = "id"
    with pytest.raises(InputError, match=r"loop\.csv"):
        rehearsal.run(**{option: tmp_path / "loop.csv"})  # type: ignore[arg-type]


def test_a_lock_that_is_a_fifo_is_refused_even_if_the_directory_would_be_set_aside(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    (tmp_path / "job").mkdir()
    os.mkfifo(tmp_path / "job" / "checkpoint.lock")
    with pytest.raises(InputError, match=r"checkpoint\.lock: is a FIFO"):
        rehearsal.run(fresh=True)


def test_a_job_that_cannot_be_written_is_not_sent_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another directory it would be paid for again."""
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    rehearsal.run()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(InputError, match="Make it writable"):
        rehearsal.run()
    with pytest.raises(InputError, match="Choose another directory with -o"):
        rehearsal.run(out=tmp_path / "new")
