"""After a SIGKILL, what the process knew of its POSTs is still known. The installed command is killed."""

import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.support.command import RunningCommand, batchrun, rows_file, started, status
from tests.support.killed_job import killed_job
from tests.support.stub_server import ReceivedRequest, StubResponse, stub_server


def _job(folder: Path, base_url: str, *options: object) -> list[object]:
    rows_file(folder, 1)
    return [
        "run", "rows.csv", "--workflow-id", "w", "-o", "job", "--base-url", base_url, "--poll-initial", 0.1, *options
    ]  # fmt: skip


def _kill_after(process: RunningCommand, seconds: float) -> None:
    time.sleep(seconds)  # noqa: TID251 - another process runs in real time
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("answer", "attempts", "posts"),
    [
        (StubResponse(200, b'{"run_id": "r", "status": "pending"}'), 1, 1),
        (StubResponse(503, b"busy"), 2, 2),
    ],
)
def test_an_answer_that_was_read_before_the_kill_counts_though_it_is_not_in_the_checkpoint(
    tmp_path: Path, answer: StubResponse, attempts: int, posts: int
) -> None:
    checkpoint = tmp_path / "job" / "checkpoint.db"
    locks = list[sqlite3.Connection]()

    def respond(request: ReceivedRequest) -> StubResponse:
        if request.method == "GET":
            return StubResponse(200, b'{"run_id": "r", "status": "completed", "outputs": 1}')
        if not locks:  # the first POST: its answer cannot be recorded
            lock = sqlite3.connect(checkpoint, isolation_level=None, check_same_thread=False)
            lock.execute("BEGIN IMMEDIATE")
            locks.append(lock)
            return answer
        return StubResponse(200, b'{"run_id": "r", "status": "pending"}')

    with stub_server(respond) as service:
        job = _job(tmp_path, service.url)
        with started(*job, cwd=tmp_path) as process:
            while not locks:
                assert process.poll() is None
                time.sleep(0.01)  # noqa: TID251 - another process runs in real time
            _kill_after(process, 0.4)
        locks[0].close()
        assert status(tmp_path / "job")["running"] == 1, "the answer is not in the checkpoint"
        done = batchrun(*job, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert [request.method for request in service.requests].count("POST") == posts
    with closing(sqlite3.connect(checkpoint)) as db:
        assert db.execute("SELECT attempts FROM rows").fetchall() == [(attempts,)]
    assert not (tmp_path / "job" / "checkpoint.marks").exists()


@contextmanager
def _no_handshake() -> Iterator[socket.socket]:
    """A server that accepts connections and says nothing, so that TLS cannot begin."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        yield server


def test_a_post_that_was_not_sent_before_the_kill_is_queued_again(tmp_path: Path) -> None:
    with _no_handshake() as server:
        job = _job(tmp_path, f"https://127.0.0.1:{server.getsockname()[1]}", "--max-outage", "1s")
        for _ in range(2):
            with started(*job, cwd=tmp_path) as process, server.accept()[0]:
                _kill_after(process, 0.1)
            assert status(tmp_path / "job")["running"] == 1, "the intent is in the checkpoint"
        shutil.copytree(tmp_path / "job", tmp_path / "copy")
        (tmp_path / "job").rename(tmp_path / "moved")
    copy = batchrun("resume", "copy", "--json", cwd=tmp_path)
    assert copy.returncode == 3, "the marks of a copy may be older than its checkpoint"
    assert status(tmp_path / "copy")["in_doubt"] == 1
    assert batchrun("resume", "moved", cwd=tmp_path).returncode == 75
    counts = status(tmp_path / "moved")
    assert (counts["queued"], counts["in_doubt"], counts["submissions"]) == (1, 0, 0)


def test_a_post_that_was_sent_and_not_answered_before_the_kill_is_in_doubt(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        job = _job(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}")
        with started(*job, cwd=tmp_path) as process, server.accept()[0] as connection:
            assert connection.recv(1)
            _kill_after(process, 0)
    assert batchrun(*job, cwd=tmp_path).returncode == 3
    assert status(tmp_path / "job")["in_doubt"] == 1


def test_killed_again_and_again_only_posts_without_an_answer_are_in_doubt(tmp_path: Path) -> None:
    job = killed_job(tmp_path, 3, late=0.5)  # a busy machine may let the answer wait
    assert job.submitted_twice == []
    assert job.answered_before == {}
    assert len(job.never_received) <= 1, "a mark is stored a moment before the bytes leave"
    assert job.submissions >= job.received
