"""Callbacks with the installed command, against a service in another process."""

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from batchrun.adapters.checkpoint import connection, reader
from tests.support.command import batchrun, rows_file, simulator, started, status

ROWS = 120
FAULTS = ("--lost", 0.1, "--callback-double", 0.3, "--callback-early", 0.1, "--callback-forged", 0.3)
PORT = 30_000 + os.getpid() % 2_000


def _rows_of(folder: Path, name: str) -> list[int]:
    return pq.read_table(folder / "job" / name).column("row").to_pylist()  # type: ignore[no-any-return]


def _called_back(port: int = PORT, host: str = "127.0.0.1") -> list[object]:
    return ["--callback-url", f"http://{host}:{port}/hooks", "--callback-listen", f"{host}:{port}"]


def _listens(port: int) -> bool:
    with closing(socket.socket()) as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def test_a_job_is_killed_and_called_back_under_the_same_addresses(tmp_path: Path) -> None:
    rows_file(tmp_path, ROWS)
    with simulator(tmp_path, "--duration", "uniform:3,5", "--latency", 0.3, *FAULTS) as service:
        job = [
            "run", "rows.csv", "--workflow-id", "echo", "-o", "job", "--base-url", service.base_url,
            "--rps", 40, "--progress", "none", *_called_back(),
        ]  # fmt: skip
        with started(*job, cwd=tmp_path) as process:
            service.wait_for("posts", 50)
            process.kill()
            os.kill(service.pid, signal.SIGSTOP)  # it calls nobody until somebody listens again
        assert status(tmp_path / "job")["running"] > 0
        with started("resume", "job", "--json", cwd=tmp_path) as process:
            while not _listens(PORT):
                assert process.poll() is None
            os.kill(service.pid, signal.SIGCONT)
            output, log = process.communicate(timeout=60)
            assert process.returncode in {0, 3}, log
        stats = service.stats()
    assert (stats["runs_repeated"], stats["callbacks"] > ROWS) == (0, True)
    completed, wrong = _rows_of(tmp_path, "outputs.parquet"), _rows_of(tmp_path, "errors.parquet")
    assert sorted(completed + wrong) == list(range(ROWS))
    assert len(completed) == stats["runs"], "whatever the service has is known, though a tenth of its answers was lost"
    summary = json.loads(output)
    assert summary["in_doubt"] == len(wrong) < 40, "killed between the intent and the POST"
    assert summary["session"]["polls"] < 2 * ROWS
    assert "callbacks: 1 request with an address that this job did not give out" in log
    with connection.open_reader(tmp_path / "job" / "checkpoint.db") as db:
        key = reader.meta(db)["callback_key"]
    for path in (tmp_path / "job").iterdir():
        assert path.name.startswith("checkpoint") or key.encode() not in path.read_bytes(), path
    assert key not in output + log


def test_a_rehearsal_is_called_back_within_this_machine(tmp_path: Path) -> None:
    rows_file(tmp_path, 30)
    public = ["--callback-url", "https://jobs.example.com/hooks", "--callback-listen", f"0.0.0.0:{PORT}"]
    sim = ["--simulate", "--sim", "duration=uniform:2,4", "--sim", "lost=0.2"]
    job = ["run", "rows.csv", "--workflow-id", "echo", "-o", "job", "--rps", 30, "--progress", "none", *sim, *public]
    done = batchrun(*job, "-n", cwd=tmp_path)
    assert '"callback_url":"http://127.0.0.1' in done.stdout
    with started(*job, "--json", cwd=tmp_path) as process:
        while not (tmp_path / "job" / "job.toml").exists() or status(tmp_path / "job")["submissions"] < 3:
            assert process.poll() is None
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/hooks/0.1.{'A' * 22}", b"{}", timeout=10)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(output)["completed"] == 30


def test_a_port_in_use_is_reported_before_anything_is_created(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    before = sorted(tmp_path.iterdir())
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        for command in ("run", "check"):
            done = batchrun(
                command, "rows.csv", "--workflow-id", "echo", "--simulate", *_called_back(port), cwd=tmp_path
            )
            assert done.returncode == 2
            assert f"--callback-listen 127.0.0.1, port {port}: cannot listen there" in done.stderr
            assert "Traceback" not in done.stderr
    assert sorted(tmp_path.iterdir()) == before
