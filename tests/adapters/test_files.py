"""Atomic writes."""

import fcntl
import threading
from pathlib import Path

import pytest

from batchrun.adapters.files.atomic import atomic_write, replacing
from batchrun.errors import StorageError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text("old and longer")
    path.chmod(0o644)
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["job.toml"]


def test_the_leftover_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    leftover = tmp_path / ".job.toml.tmp"
    leftover.write_text("half a file that is longer than the new one")
    leftover.chmod(0o666)
    atomic_write(tmp_path / "job.toml", b"new")
    assert (tmp_path / "job.toml").read_bytes() == b"new"
    assert (tmp_path / "job.toml").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["job.toml"]


def test_nothing_is_replaced_when_the_block_fails(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("old")

    def fail() -> None:
        with replacing(first, second) as files:
            files[0].write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert first.read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_errors_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written: No such file or directory"):
        atomic_write(tmp_path / "no" / "file", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="cannot be written: Is a directory"):
        atomic_write(tmp_path / "folder", b"")
    assert names(tmp_path) == ["folder"]


def test_two_writers_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "file"
    entered = threading.Event()

    def write_second() -> None:
        entered.set()
        atomic_write(path, b"second")

    other = threading.Thread(target=write_second)
    with replacing(path) as (file,):
        file.write(b"first")
        other.start()
        entered.wait()
        with (tmp_path / ".file.tmp").open("rb") as rival, pytest.raises(BlockingIOError):
            fcntl.flock(rival, fcntl.LOCK_EX | fcntl.LOCK_NB)
    other.join()
    assert path.read_bytes() == b"second"
    assert names(tmp_path) == ["file"]


def test_an_unfinished_file_is_in_the_folder_of_its_target(tmp_path: Path) -> None:
    """It may be on another file system than any other folder, where nothing can be renamed to."""
    (tmp_path / "elsewhere").mkdir()
    with replacing(tmp_path / "elsewhere" / "a") as (file,):
        file.write(b"new")
        assert names(tmp_path) == ["elsewhere"]
        assert len(names(tmp_path / "elsewhere")) == 1
    assert names(tmp_path / "elsewhere") == ["a"]
