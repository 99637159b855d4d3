"""Jobs on a cluster of four nodes of which something dies or stops: `python -m tests.harness.ray_scenarios WHAT SEED`.

It runs in a network of its own (see `ray_nodes`), and prints how often something was killed and what was violated.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

from batchrun.cluster.worker import LEASE
from batchrun.cluster.worker_handle import PATIENCE
from tests.harness.ray_jobs import started, wait_for
from tests.harness.ray_nodes import HEAD, Nodes, nodes, switch_loopback_on
from tests.support.command import Service, rows_file, simulator

NODES = 4
ROWS, RATE, CONNECTIONS = 400, 40, 20
DRIVER_KILLS = 6
LONG_ROWS, STOPPED = 3_000, 60.0
"""Rows of a job, and the seconds for which a worker is stopped in the middle of it: so long that its rows have ended
elsewhere when it goes on."""

Job = subprocess.Popen[str]


class Scenario:
    """One job, and what is done to it."""

    def __init__(self, folder: Path, service: Service, cluster: Nodes, seed: int) -> None:
        self.folder = folder
        self.service = service
        self.cluster = cluster
        self.chance = random.Random(seed)
        self.kills = 0
        self.rows = ROWS
        self.code: int | None = None

    def start(self, workers: int) -> Job:
        """Start the job, or go on with it."""
        rows_file(self.folder, self.rows)
        options = ["--max-connections", str(CONNECTIONS), "--rps", str(RATE), "--workers", str(workers), "--ray", HEAD]
        return started(self.folder, self.service.base_url, self.folder, *options)

    def workers(self) -> tuple[str, str]:
        """Three of four workers are killed, one after the other."""
        job = self.start(NODES)
        for number in range(NODES - 1):
            found = wait_for(self.folder, self._moment(number))["workers"]
            os.kill(self.chance.choice(found)["pid"], signal.SIGKILL)
            self.kills += 1
        return self._ended(job)

    def nodes(self) -> tuple[str, str]:
        """Three of four nodes are killed, one after the other; the driver is on the one that stays."""
        job = self.start(NODES)
        for number in range(NODES - 1):
            wait_for(self.folder, self._moment(number))
            self.cluster.kill(self.chance.choice(self.cluster.running[1:]))
            self.kills += 1
        return self._ended(job)

    def driver(self) -> tuple[str, str]:
        """The driver is killed, and others go on, with as many workers as chance has it."""
        for number in range(DRIVER_KILLS):
            job = self.start(self.chance.randint(1, NODES))
            wait_for(self.folder, self._moment(number, DRIVER_KILLS))
            job.kill()
            job.communicate(timeout=60)
            self.kills += 1
        return self._ended(self.start(NODES))

    def mixed(self) -> tuple[str, str]:
        """The driver stops for a while, a worker for a minute; another is killed, the node of a third, and the driver.

        The stopped worker goes on while the job still does, and its rows are elsewhere.
        """
        self.rows = LONG_ROWS
        job = self.start(NODES)
        completed = wait_for(self.folder, 40)["completed"]
        self._stop_for_a_while(job)
        workers = wait_for(self.folder, completed + 40)["workers"]
        assert len(workers) == NODES, "none was given up by a driver that had stopped itself"
        found = {self.cluster.place_of(one["pid"]): one["pid"] for one in workers}
        places = self.chance.sample(range(1, NODES), NODES - 1)
        stopped = found[places[0]]
        os.kill(stopped, signal.SIGSTOP)
        since = time.monotonic()  # noqa: TID251 - other processes run in real time
        wait_for(self.folder, self.chance.randint(100, 300))
        os.kill(found[places[1]], signal.SIGKILL)
        wait_for(self.folder, self.chance.randint(400, 700))
        self.cluster.kill(places[2])
        time.sleep(max(0.0, since + STOPPED - time.monotonic()))  # noqa: TID251
        left = wait_for(self.folder, 700)
        assert [self.cluster.place_of(one["pid"]) for one in left["workers"]] == [0], left
        assert left["completed"] < self.rows, "it has ended before the worker goes on"
        if Path(f"/proc/{stopped}").exists():
            os.kill(stopped, signal.SIGCONT)
        time.sleep(self.chance.uniform(0, 8))  # noqa: TID251
        job.kill()
        job.communicate(timeout=60)
        self.kills = 4
        return self._ended(self.start(1))

    def _stop_for_a_while(self, driver: Job) -> None:
        """Stop the driver for longer than it waits for workers, which send nothing once their lease is over."""
        driver.send_signal(signal.SIGSTOP)
        time.sleep(LEASE + 1)  # noqa: TID251
        posts = self.service.stats()["posts"]
        time.sleep(PATIENCE)  # noqa: TID251
        assert self.service.stats()["posts"] == posts, "a worker sent after the end of its lease"
        driver.send_signal(signal.SIGCONT)

    def _ended(self, job: Job) -> tuple[str, str]:
        found = job.communicate(timeout=150)
        self.code = job.returncode
        return found

    def _moment(self, number: int, of: int = NODES - 1) -> int:
        """How many rows are to have completed before something is killed for this time."""
        part = (self.rows - 100) // of
        return self.chance.randint(number * part + 1, (number + 1) * part)

    def violations(self, out: str, said: str) -> Iterator[str]:
        """What the job and the service say in the end."""
        try:
            summary = json.loads(out)
        except ValueError:
            yield f"no summary, exit code {self.code}: {out[:300]!r} … {out[-300:]!r} {said[-1000:]}"
            return
        stats, doubts = self.service.stats(), summary["in_doubt"]
        if summary["completed"] + doubts != self.rows:
            yield f"{summary['completed']} completed, {doubts} in doubt: {said[-1500:]}"
        if self.code != (3 if doubts else 0):
            yield f"exit code {self.code} with {doubts} rows in doubt"
        if doubts > CONNECTIONS * self.kills:
            yield f"{doubts} rows in doubt"
        if stats["runs_repeated"]:
            yield f"{stats['runs_repeated']} rows were submitted twice"
        if stats["most_posts_in_a_second"] > RATE:
            yield f"{stats['most_posts_in_a_second']} POSTs in a second"
        tables = [pq.read_table(self.folder / "job" / name) for name in ("outputs.parquet", "errors.parquet")]
        if sorted(row for table in tables for row in table["row"].to_pylist()) != list(range(self.rows)):
            yield "a row is missing in the results, or there twice"


def main() -> None:
    """Run one."""
    what, seed = sys.argv[1], int(sys.argv[2])
    switch_loopback_on()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with nodes(NODES) as cluster, simulator(folder, "--duration", "uniform:0.2,2", "--latency", "0.1") as service:
            scenario = Scenario(folder, service, cluster, seed)
            act: Callable[[], tuple[str, str]] = getattr(scenario, what)
            found = [*scenario.violations(*act())]
            sys.stdout.write(json.dumps({"kills": scenario.kills, "violations": found}) + "\n")


if __name__ == "__main__":
    main()
