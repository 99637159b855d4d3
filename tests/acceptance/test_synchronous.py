"""`--mode sync` with the installed command: one request a row, and what a kill leaves."""

from pathlib import Path

import pyarrow.parquet as pq

from tests.support.command import batchrun, rows_file, simulator, started, status


def test_a_synchronous_job_is_killed_and_goes_on(tmp_path: Path) -> None:
    rows_file(tmp_path, 200)
    with simulator(tmp_path, "--duration", "uniform:0.1,0.6", "--fault", "fail:id=7") as service:
        job = [
            "run", "rows.csv", "--workflow-id", "echo", "-o", "job", "--base-url", service.base_url,
            "--mode", "sync", "--rps", 100, "-j", 20, "--progress", "none",
        ]  # fmt: skip
        with started(*job, cwd=tmp_path) as process:
            service.wait_for("posts", 60)
            process.kill()
        in_air = status(tmp_path / "job")["running"]
        assert 0 < in_air <= 20
        done = batchrun("resume", "job", "--run-timeout", 2, cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        stats = service.stats()
    outputs = pq.read_table(tmp_path / "job" / "outputs.parquet").to_pylist()
    errors = pq.read_table(tmp_path / "job" / "errors.parquet").to_pylist()
    assert sorted(row["row"] for row in outputs + errors) == list(range(200))
    assert all(row["output"] == f'{{"echo":{{"id":"{row["row"]}","text":"row {row["row"]}"}}}}' for row in outputs)
    kinds = [row["error_kind"] for row in errors]
    in_doubt = kinds.count("in_doubt")
    assert 0 < in_doubt <= in_air, "a POST that was not handed to the socket is in no doubt"
    assert len(kinds) - in_doubt == kinds.count("run_failed") <= 1
    assert (stats["polls"], stats["runs_repeated"]) == (0, 0)
    assert stats["most_posts_in_a_second"] <= 100
