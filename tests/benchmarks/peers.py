"""Rows a second, against what people run today. All send each row once and wait for its result; see `scripts`."""

import importlib.util
import statistics
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.running import Used, batchrun, cost, inputs, module
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
    """All in turns, each with as many rows as tell its speed."""
    part = 50 if short else 1
    there = [peer for peer in PEERS if importlib.util.find_spec(peer.needs)]
    ours, theirs = list[float](), {peer.script: list[float]() for peer in there}
    sizes = {peer.script: max(20, peer.rows // part) for peer in there} | {"ours": OURS // part}
    with inputs(*sizes.values(), *(3 * size for size in sizes.values())) as files:
        for _ in range(runs):
            ours.append(cost(lambda size: _ours(files[size]), sizes["ours"], short).wall)
            for name, found in theirs.items():
                measured = cost(lambda size, name=name: _theirs(name, files[size]), sizes[name], short)  # type: ignore[misc]
                found.append(measured.wall)
    return [_line(peer, ours, theirs.get(peer.script, [])) for peer in PEERS]


def _ours(rows: Path) -> Used:
    with serving() as server:
        return batchrun(server, rows, "--mode", "sync", "-j", AT_ONCE)


def _theirs(name: str, rows: Path) -> Used:
    with serving() as server:
        used = module("scripts", server, name, rows)
        assert used.said["completed"] == used.stats["accepted"]
        return used


def _line(peer: Peer, ours: list[float], theirs: list[float]) -> Line:
    name = f"rows a second against {peer.name}"
    if not theirs:
        return Line(name, [], "×", ">=", peer.must, note=f"{peer.needs} is not installed")
    rates = (f"{1 / statistics.median(side):,.0f}" for side in (ours, theirs))
    note = f"{' against '.join(rates)}; {peer.note}; {AT_ONCE} at a time"
    # A turn in which more rows have taken less time tells of the machine alone.
    ratios = [their / our for our, their in zip(ours, theirs, strict=True) if our > 0 < their]
    return Line(name, ratios, "×", ">=", peer.must, note=note)
