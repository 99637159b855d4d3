"""Two jobs with one token share a quota (`--share-limits`), also when the one that shares it out is killed."""

import uuid
from pathlib import Path

from batchrun.adapters.shared_limits.folder import default_folder, file_stem
from tests.support.command import TIMEOUT, batchrun, rows_file, simulator, started

QUOTA = 40


def test_two_jobs_keep_one_quota_although_one_of_them_is_killed(tmp_path: Path) -> None:
    name = f"test-{uuid.uuid4().hex}"
    limits = ("--rps", QUOTA, "--poll-initial", 0.2, "--share-limits", name)
    rows_file(tmp_path, 1000, "first.csv")
    rows_file(tmp_path, 60, "second.csv")
    with simulator(tmp_path, "--rps", QUOTA, "--duration", 0.1) as service:
        where = ("--workflow-id", "echo", "--base-url", service.base_url, "--progress", "none", *limits)
        with started("run", "first.csv", *where, cwd=tmp_path) as first:
            service.wait_for("posts", 10)
            with started("run", "second.csv", *where, cwd=tmp_path) as second:
                service.wait_for("runs_repeated", 10)  # the second job has begun with the same inputs
                first.kill()
                _, errors = second.communicate(timeout=TIMEOUT)
        stats = service.stats()
    assert second.returncode == 0, errors
    assert stats["throttled"] == 0
    assert QUOTA / 2 < stats["most_posts_in_a_second"] <= QUOTA
    for path in default_folder().glob(f"{file_stem(name)}*"):
        path.unlink()


def test_a_name_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    rows_file(tmp_path, 1)
    done = batchrun(
        "run", "rows.csv", "--workflow-id", "echo", "--simulate", "--share-limits", "my token", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "--share-limits" in done.stderr
    assert "letters, digits, dots, underscores and hyphens" in done.stderr
