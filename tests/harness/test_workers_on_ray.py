"""Jobs on processes of their own, through Ray: one of them is killed, or the driver is."""

import contextlib
import ipaddress
import json
import os
import signal
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.harness.ray_jobs import alone, ray_folder, started, wait_for
from tests.support.command import BATCHRUN, SECRET, batchrun, environment, rows_file, simulator

pytest.importorskip("ray")

ROWS = 300

pytestmark = [pytest.mark.timeout(600), pytest.mark.quiet]


def listening(pid: int) -> set[str]:
    """The addresses at which a process listens (IPv4 and IPv6)."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(str(link.readlink()))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                packed = bytes.fromhex(fields[1].partition(":")[0])
                words = [packed[at : at + 4][::-1] for at in range(0, len(packed), 4)]
                address = ipaddress.ip_address(b"".join(words))
                found.add(str(getattr(address, "ipv4_mapped", None) or address))
    return found


def test_a_worker_is_killed_and_the_job_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    rows_file(tmp_path, ROWS)
    with alone(), ray_folder() as ray, simulator(tmp_path, "--duration", "0.5") as service:
        with started(tmp_path, service.base_url, ray) as job:
            workers = wait_for(tmp_path, 30)["workers"]
            assert [worker["id"] for worker in workers] == ["w0", "w1"]
            assert all(worker["host"] and worker["in_flight"] >= 0 for worker in workers)
            assert listening(workers[0]["pid"]) == {"127.0.0.1"}
            priorities = {os.getpriority(os.PRIO_PROCESS, pid) for pid in (job.pid, workers[0]["pid"])}
            assert len(priorities) == 1, "beside other work, a worker that gives way to it is starved"
            command_lines = [Path(f"/proc/{worker['pid']}/cmdline").read_bytes() for worker in workers]
            os.kill(workers[0]["pid"], signal.SIGKILL)
            wait_for(tmp_path, 150)
            files = [path for path in ray.rglob("*") if path.is_file() and not path.is_symlink()]
            assert files
            assert not [path for path in files if SECRET.encode() in path.read_bytes()]
            out, said = job.communicate(timeout=300)
        assert "worker w0 is lost, and its rows go elsewhere" in said
        summary = json.loads(out)
        assert job.returncode == (3 if summary["in_doubt"] else 0), said
        assert summary["completed"] + summary["in_doubt"] == ROWS
        assert summary["in_doubt"] <= 50, "its share of --max-connections"
        assert summary["workers"] == []
        stats = service.stats()
        assert stats["runs_repeated"] == 0
        assert summary["completed"] <= stats["posts"] <= ROWS
        assert stats["most_posts_in_a_second"] <= 30
        ids = pq.read_table(tmp_path / "job" / "outputs.parquet")["row"].to_pylist()
        assert len(set(ids)) == summary["completed"]
        assert SECRET not in said + out
        assert not [line for line in command_lines if SECRET.encode() in line]
        assert not [*ray.iterdir()], "of a Ray of its own, nothing is left"
        again = batchrun("resume", "job", "--ray", "127.0.0.1:1", "--progress", "none", cwd=tmp_path)
        assert again.returncode == job.returncode, "for a job that is finished, no worker is needed"


def test_the_driver_is_killed_and_one_process_goes_on(tmp_path: Path) -> None:
    rows_file(tmp_path, ROWS)
    with alone(), ray_folder() as ray, simulator(tmp_path, "--duration", "0.5") as service:
        with started(tmp_path, service.base_url, ray) as job:
            pids = [worker["pid"] for worker in wait_for(tmp_path, 30)["workers"]]
            job.kill()
            job.communicate(timeout=60)
        resumed = batchrun("resume", "job", "--workers", "1", "--json", "--progress", "none", cwd=tmp_path)
        summary = json.loads(resumed.stdout)
        assert resumed.returncode == (3 if summary["in_doubt"] else 0), resumed.stderr
        assert summary["completed"] + summary["in_doubt"] == ROWS
        assert summary["in_doubt"] <= 100, "--max-connections"
        stats = service.stats()
        assert stats["runs_repeated"] == 0
        assert stats["most_posts_in_a_second"] <= 30
        assert not [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists()], "workers end with their driver"


def test_without_ray_the_message_names_the_extra(tmp_path: Path) -> None:
    rows_file(tmp_path, 1)
    (tmp_path / "hidden" / "ray").mkdir(parents=True)
    (tmp_path / "hidden" / "ray" / "__init__.py").write_text("raise ImportError('hidden')")
    done = subprocess.run(
        [BATCHRUN, "run", "rows.csv", "--workflow-id", "echo", "--simulate", "-o", "job", "--workers", "2"],
        cwd=tmp_path,
        env=environment(PYTHONPATH=str(tmp_path / "hidden")),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "pip install 'batchrun[ray]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "job").exists(), "nothing is left of a job that is refused"


def test_a_cluster_that_cannot_be_reached_ends_with_75_and_loses_nothing(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    command = ("run", "rows.csv", "--workflow-id", "echo", "--simulate", "--sim", "duration=0", "-o", "job")
    done = batchrun(*command, "--ray", "127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == 75, done.stderr
    assert "Stopped: --ray 127.0.0.1:1: cannot be reached: Connection refused" in done.stderr
    assert batchrun(*command, "--ray", "none", "--poll-initial", "0.1", cwd=tmp_path).returncode == 0
