"""The lock of a run directory."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from batchrun.adapters.files.lock import Holder, holder, owned, refuse_held
from batchrun.app.resume import resumed_job
from batchrun.errors import JobBusyError, StorageError

HOLD = """
import sys
from pathlib import Path
from batchrun.adapters.files.lock import owned
with owned(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_owner_is_turned_away_at_once_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with owned(path):
        before = path.read_bytes()
        with (
            pytest.raises(JobBusyError, match=f"process {os.getpid()} is working in this directory") as caught,
            owned(path),
        ):
            pass
        assert str(tmp_path) in str(caught.value)
        assert caught.value.exit_code == 75
        assert path.read_bytes() == before
        with pytest.raises(JobBusyError), owned(path):
            pass


def test_a_command_that_reads_before_it_locks_is_turned_away_before_it_reads(tmp_path: Path) -> None:
    refuse_held(tmp_path / "checkpoint.lock")
    (tmp_path / "checkpoint.db").write_bytes(b"not ready to be read")
    with owned(tmp_path / "checkpoint.lock"), pytest.raises(JobBusyError, match="is working in this directory"):
        resumed_job(tmp_path, {})
    with pytest.raises(StorageError, match="is damaged"):
        resumed_job(tmp_path, {})


def test_the_holder_is_known_and_whether_it_is_alive(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder(path) is None
    with owned(path):
        assert holder(path) == Holder(os.getpid(), platform.node(), is_alive=True)
        with pytest.raises(JobBusyError), owned(path):
            pass
    assert holder(path) == Holder(os.getpid(), platform.node(), is_alive=False)
    path.write_text("12\n")
    assert holder(path) == Holder(12, "", is_alive=False), "earlier versions wrote no host"


def test_it_is_let_go_at_the_end_of_the_block_whatever_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), owned(path):
        raise ZeroDivisionError
    with owned(path):
        pass
    with owned(path):
        assert path.read_text().split() == [str(os.getpid()), platform.node()]


def test_an_owner_that_is_turned_away_does_not_let_go_of_the_lock_of_the_other(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with owned(path):
        for _ in range(3):
            with pytest.raises(JobBusyError), owned(path):
                pass


def test_a_process_that_is_killed_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(JobBusyError, match=f"process {holder.pid} is working"), owned(path):
            pass
        holder.kill()
    with owned(path):
        pass


def test_two_directories_have_two_owners(tmp_path: Path) -> None:
    with owned(tmp_path / "a"), owned(tmp_path / "b"):
        pass


def test_only_the_owner_may_read_the_lock(tmp_path: Path) -> None:
    with owned(tmp_path / "lock"):
        assert (tmp_path / "lock").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("where", ["no/such/folder/lock", "folder"])
def test_where_it_cannot_be_opened_it_says_so(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="cannot be opened"), owned(tmp_path / where):
        pass


def test_a_lock_file_of_garbage_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_bytes(b"\xff" * 100)
    with owned(path):
        assert path.read_text().split() == [str(os.getpid()), platform.node()]


def test_a_lock_file_that_is_taken_away_lets_the_next_owner_in_and_only_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with owned(path):
        path.unlink()  # as an owner does whose job did not begin
        with owned(path), pytest.raises(JobBusyError), owned(path):
            pass


def test_a_lock_that_cannot_be_written_is_an_error_of_the_disk(tmp_path: Path) -> None:
    program = f"""
import pathlib, resource
from batchrun.adapters.files.lock import owned
from batchrun.errors import StorageError
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
try:
    with owned(pathlib.Path({str(tmp_path / "lock")!r})):
        print("owned")
except StorageError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{tmp_path / 'lock'}: cannot be written: File too large\n"


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="lock: cannot be opened: "), owned(tmp_path / "lock"):
        pass


def test_a_lock_is_held_before_its_process_has_written_its_number(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.lock"
    with owned(path):
        path.write_bytes(b"")
        with pytest.raises(JobBusyError, match="another process is working in this directory"):
            refuse_held(path)
