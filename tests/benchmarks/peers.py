"""Rows a second, against what people run today. All send each row once and wait for its result; see `scripts`."""

import importlib.util
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.running import Used, batchrun, inputs, module
from tests.benchmarks.server import serving
from tests.benchmarks.table import Line

AT_ONCE = 100
OURS = 20_000


@dataclass(frozen=True, slots=True)
class Peer:
    """`rows` are enough to tell its speed; `must`: how many times faster we have to be; `needs`: a package."""

    name: str
    script: str
    rows: int
    must: float
    needs: str = "aiohttp"
    note: str = ""


PEERS = (
    Peer("a cozepy script", "cozepy", 300, 30, "cozepy", "`gather`, a semaphore, `workflows.runs.create`"),
    Peer("the openai-cookbook processor", "cookbook", 1_000, 10, note="built anew in its shape, without its tokenizer"),
    Peer("`gather` and a semaphore", "gather", 10_000, 1.2, note="aiohttp as documented, one session, saves nothing"),
    Peer("a Daft async UDF", "daft", 10_000, 1.2, "daft", "aiohttp, one session"),
)


def measure(runs: int, short: bool) -> list[Line]:
    """All in turns. Start-up falls out: a rate is that of the further rows, from N to 3 N."""
    part = 50 if short else 1
    there = [peer for peer in PEERS if importlib.util.find_spec(peer.needs)]
    ours, theirs = list[float](), {peer.script: list[float]() for peer in there}
    sizes = {peer.script: max(20, peer.rows // part) for peer in there} | {"ours": OURS // part}
    with inputs(*sizes.values(), *(3 * size for size in sizes.values())) as files:
        for _ in range(runs):
            ours.append(_rate(lambda size: _ours(files[size]), sizes["ours"]))
            for name, rates in theirs.items():
                rates.append(_rate(lambda size, name=name: _theirs(name, files[size]), sizes[name]))  # type: ignore[misc]
    return [_line(peer, ours, theirs.get(peer.script, [])) for peer in PEERS]


def _rate(measure: Callable[[int], Used], size: int) -> float:
    small, large = measure(size), measure(3 * size)
    return 2 * size / max(large.wall - small.wall, 1e-3)


def _ours(rows: Path) -> Used:
    with serving() as server:
        return batchrun(server, rows, "--mode", "sync", "-j", AT_ONCE)


def _theirs(name: str, rows: Path) -> Used:
    with serving() as server:
        used = module("scripts", server, name, rows)
        assert used.said["completed"] == used.stats["accepted"]
        return used


def _line(peer: Peer, ours: list[float], theirs: list[float]) -> Line:
    if not theirs:
        return Line(
            f"rows a second against {peer.name}", [], "×", ">=", peer.must, note=f"{peer.needs} is not installed"
        )
    values = [our / their for our, their in zip(ours, theirs, strict=True)]
    note = f"{statistics.median(ours):,.0f} against {statistics.median(theirs):,.0f}; {peer.note}; {AT_ONCE} at a time"
    return Line(f"rows a second against {peer.name}", values, "×", ">=", peer.must, note=note)
