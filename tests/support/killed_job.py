"""One job of the installed command, killed again and again against a service that notes times."""

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from time import monotonic as now  # noqa: TID251 - compared with the times of the service

import pyarrow.parquet as pq

from tests.support.command import batchrun, installed_started, rows_file
from tests.support.timed_service import TimedService, timed_service

LATE = 0.005


@dataclass(frozen=True, slots=True)
class KilledJob:
    """What became of the rows."""

    exit_code: int
    submitted_twice: list[int]
    in_doubt: list[int]
    never_received: list[int]
    """Rows in doubt that the service never received."""
    answered_before: dict[int, float]
    """Rows in doubt that the service had answered too long before the kill, and how many seconds."""
    submissions: int
    """As the job counts them."""
    received: int
    """POSTs, as the service counts them."""


def killed_job(folder: Path, kills: int, late: float = LATE, rps: int = 50) -> KilledJob:
    """Kill a job so often, each time up to half a second after it has sent something; then run it to its end.

    The service answers after 2 ms. `late`: an answer given so many seconds before the kill must have been read.
    """
    chance, killed_at = random.Random(15), list[float]()
    rows_file(folder, rps * kills)
    with timed_service(0.002) as service:
        job = [
            "run", "rows.csv", "--workflow-id", "w", "-o", "job", "--base-url", service.base_url, "--rps", rps,
            "--poll-rps", 200, "--poll-initial", 0.2, "--progress", "none",
        ]  # fmt: skip
        for session in range(kills):
            service.session = session
            with installed_started(*job, cwd=folder) as process:
                before = service.posts
                while service.posts == before:
                    assert process.poll() is None, process.communicate()
                    time.sleep(0.001)  # noqa: TID251 - another process runs in real time
                time.sleep(chance.uniform(0, 0.5))  # noqa: TID251 - likewise
                process.kill()
                killed_at.append(now())
                process.wait()
        done = batchrun(*job, "--rps", 2000, "--json", cwd=folder)
        assert done.returncode in {0, 3}, done.stderr
        return _judged(folder, done.returncode, json.loads(done.stdout)["submissions"], service, killed_at, late=late)


def _judged(
    folder: Path, code: int, submissions: int, service: TimedService, killed_at: list[float], *, late: float
) -> KilledJob:
    errors = pq.read_table(folder / "job" / "errors.parquet")
    outputs = pq.read_table(folder / "job" / "outputs.parquet")
    rows = sorted(errors.column("row").to_pylist() + outputs.column("row").to_pylist())
    assert rows == list(range(len(rows))), "a row is missing, or twice in the results"
    assert set(errors.column("state").to_pylist()) <= {"in_doubt"}
    in_doubt = errors.column("row").to_pylist()
    unread = {
        row: killed_at[service.received[row][-1]] - service.answered[row] for row in in_doubt if row in service.answered
    }
    return KilledJob(
        code,
        submitted_twice=[row for row, times in service.received.items() if len(times) > 1],
        in_doubt=in_doubt,
        never_received=[row for row in in_doubt if not service.received[row]],
        answered_before={row: seconds for row, seconds in unread.items() if seconds > late},
        submissions=submissions,
        received=service.posts,
    )
