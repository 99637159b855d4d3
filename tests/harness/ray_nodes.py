"""A Ray cluster of several nodes on this machine, in a network of its own: nobody outside can reach it.

Ray's servers listen at every address, but for a cluster of one node. So the cluster, the service and the job run in a
network namespace that has the loopback device alone.
"""

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.harness.figures import NotPossibleError
from tests.harness.ray_jobs import alone, ray_folder

PORT = 26379
"""Of the cluster. The namespace has all ports to itself."""

HEAD = f"127.0.0.2:{PORT}"
"""Ray replaces 127.0.0.1 by another address of the machine."""

LONGEST = 280.0
"""Seconds after which all that runs in the namespace is ended."""

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1


def in_own_network(module: str, *words: object) -> Any:
    """Run a module in a network of its own; returns the JSON that it prints. Raises `NotPossibleError`."""
    command = ["unshare", "--map-root-user", "--net", "--kill-child"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise NotPossibleError("no network namespaces for this user") from None
    with alone():
        done = subprocess.run(
            [*command, sys.executable, "-m", module, *map(str, words)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    if done.returncode:
        raise AssertionError(f"{module} {words} ended with {done.returncode}: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def switch_loopback_on() -> None:
    """In a new network namespace it is off."""
    with socket.socket() as any_socket:
        name, flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _GET_FLAGS, struct.pack("16sh14x", b"lo", 0)))
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", name, flags | _UP))


class Nodes:
    """The nodes of a cluster, each with one CPU and an address of its own. The first one is the head."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, number: int) -> None:
        """Start so many nodes."""
        env = {**os.environ, "RAY_raylet_start_wait_time_s": "90"}
        for _ in range(number):
            place = len(self._processes)
            head = ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self._folder}"]
            command = [
                str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1",
                f"--node-ip-address=127.0.0.{place + 2}", "--object-store-memory=80000000", "--disable-usage-stats",
                *([f"--address={HEAD}"] if place else head),
            ]  # fmt: skip
            with (self._folder / f"node{place}.log").open("wb") as output:
                # A session of its own, so that all processes of a node can be ended together.
                process = subprocess.Popen(command, env=env, stdout=output, stderr=output, start_new_session=True)
            self._processes.append(process)
            self._wait_for(place)  # one after the other: on two processors, four at once would time out

    def _wait_for(self, place: int) -> None:
        log = self._folder / f"node{place}.log"
        while "will now block" not in log.read_text():
            if self._processes[place].poll() is not None:
                raise AssertionError(log.read_text()[-2000:])
            signal.sigtimedwait([], 0.1)

    def kill(self, place: int) -> None:
        """The power of this machine is cut: all its processes end at once."""
        os.killpg(self._processes[place].pid, signal.SIGKILL)
        self._processes[place].wait()

    def place_of(self, pid: int) -> int:
        """The node on which this process runs."""
        sessions = [process.pid for process in self._processes]
        while pid > 1:
            if (session := os.getsid(pid)) in sessions:
                return sessions.index(session)
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        raise AssertionError("it is on no node")

    @property
    def running(self) -> Sequence[int]:
        """The nodes that were not killed."""
        return [place for place, process in enumerate(self._processes) if process.poll() is None]

    def end(self) -> None:
        """Kill them all."""
        for place in self.running:
            self.kill(place)


@contextmanager
def nodes(number: int) -> Iterator[Nodes]:
    """A cluster of so many nodes, until the block ends. Call it `in_own_network`."""
    with ray_folder() as folder:
        found = Nodes(folder)
        try:
            found.start(number)
            yield found
        finally:
            found.end()
