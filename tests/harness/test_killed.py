"""SIGKILL and the signals that drain, on the command against a simulator in another process."""

import platform
import random
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.command import Service, batchrun, rows_file, simulator, started, status

ROWS = 300


def _job(service: Service, folder: Path, rows: int = ROWS, rps: int = 150) -> list[object]:
    rows_file(folder, rows)
    return [
        "run", "rows.csv", "--workflow-id", "echo", "-o", "job", "--base-url", service.base_url,
        "--rps", rps, "--poll-rps", 400, "--progress", "none",
    ]  # fmt: skip


def _rows_of(folder: Path, name: str) -> list[int]:
    return pq.read_table(folder / "job" / name).column("row").to_pylist()  # type: ignore[no-any-return]


def test_killed_again_and_again_a_job_loses_nothing_and_pays_nothing_twice(tmp_path: Path) -> None:
    chance, rows = random.Random(5), 2 * ROWS  # each kill may leave some in doubt that were never sent
    with simulator(tmp_path, "--duration", "uniform:0.2,1.5") as service:
        job = _job(service, tmp_path, rows)
        for _ in range(6):
            with started(*job, cwd=tmp_path) as process:
                service.wait_for("posts", service.stats()["posts"] + chance.randrange(1, 50))
                process.kill()
        assert status(tmp_path / "job")["exit_code"] is None
        done = batchrun(*job, cwd=tmp_path)
        assert done.returncode in {0, 3}, done.stderr
        stats = service.stats()
    completed, wrong = _rows_of(tmp_path, "outputs.parquet"), _rows_of(tmp_path, "errors.parquet")
    assert sorted(completed + wrong) == list(range(rows))
    assert stats["runs_repeated"] == 0
    errors = pq.read_table(tmp_path / "job" / "errors.parquet")
    assert set(errors.column("state").to_pylist()) <= {"in_doubt"}
    assert stats["runs"] <= rows


def test_killed_and_resumed_with_a_simulator_inside(tmp_path: Path) -> None:
    rows_file(tmp_path, 60)
    job = ["run", "rows.csv", "--workflow-id", "echo", "-o", "job", "--simulate", "--sim", "duration=1", "--rps", 40]
    with started(*job, cwd=tmp_path) as process:
        while not (tmp_path / "job" / "job.toml").exists():
            assert process.poll() is None
        while (now := status(tmp_path / "job"))["submissions"] < 20:
            assert process.poll() is None
        assert now["process"] == {"pid": process.pid, "host": platform.node()}
        assert now["result_files"] == "missing"
        alive = batchrun("status", "job", cwd=tmp_path).stdout
        assert f"(process {process.pid} on {platform.node()})" in alive
        assert "batchrun resume" not in alive
        process.kill()
        process.wait()
        watched = batchrun("status", "job", "--watch", cwd=tmp_path)
        assert "killed, crashed or quit after" in watched.stdout, "there is nothing more to watch"
        assert "batchrun resume job" in watched.stdout
    done = batchrun("resume", "job", "--in-doubt", "resubmit", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert _rows_of(tmp_path, "outputs.parquet") == list(range(60))
    assert 'in-doubt = "hold"' in (tmp_path / "job" / "job.toml").read_text(), "one resumption's option is not for all"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_drains_and_names_the_command_that_resumes(tmp_path: Path, number: signal.Signals) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("ignored by whoever started the tests, as nohup does, and so by the command")
    with simulator(tmp_path, "--duration", "1.5") as service:
        job = _job(service, tmp_path, rps=50)  # six seconds: a busy machine may notice late that it has begun
        with started(*job, cwd=tmp_path) as process:
            service.wait_for("posts", 40)
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
            assert process.returncode == 128 + number
        assert "batchrun resume job" in errors
        assert "Traceback" not in errors
        left = status(tmp_path / "job")
        assert left["exit_code"] == 128 + number
        assert left["in_doubt"] == 0
        assert left["running"] + left["completed"] == service.stats()["runs"]
        fast = ("--rps", 500, "--poll-initial", 0.3)
        assert batchrun("resume", "job", *fast, cwd=tmp_path).returncode == 0
        assert service.stats()["posts"] == ROWS


def test_the_second_signal_leaves_at_once(tmp_path: Path) -> None:
    with simulator(tmp_path, "--latency", "20") as service:
        job = _job(service, tmp_path)
        with started(*job, cwd=tmp_path) as process:
            service.wait_for("posts", 1)
            process.send_signal(signal.SIGINT)
            with pytest.raises(TimeoutError):
                process.wait(1)
            process.send_signal(signal.SIGINT)
            assert process.wait(5) == 130
            _, errors = process.communicate()
            assert errors.splitlines()[-1] == (
                "Quit. Rows whose submission had no answer yet are in doubt. To continue: batchrun resume job"
            )
        assert status(tmp_path / "job")["running"] == 1


def test_a_second_process_leaves_the_directory_alone(tmp_path: Path) -> None:
    with simulator(tmp_path, "--duration", "2") as service:
        job = _job(service, tmp_path, rps=50)
        with started(*job, cwd=tmp_path):
            service.wait_for("posts", 5)
            second = batchrun(*job, cwd=tmp_path)
            assert second.returncode == 75
            assert "nothing was changed" in second.stderr
            assert batchrun("export", "job", "--to", "early", cwd=tmp_path).returncode == 0
    assert (tmp_path / "early" / "outputs.parquet").exists()


def test_no_second_sees_more_than_the_rate_even_across_a_kill(tmp_path: Path) -> None:
    with simulator(tmp_path, "--duration", "0.5") as service:
        job = _job(service, tmp_path)
        with started(*job, cwd=tmp_path) as process:
            service.wait_for("posts", 100)
            process.kill()
        batchrun(*job, cwd=tmp_path)
        assert service.stats()["most_posts_in_a_second"] <= 150
