"""How many answers the stand-in service can give: it must not be the bottleneck."""

from tests.benchmarks.flood import CONNECTIONS, flood
from tests.benchmarks.running import batchrun, inputs
from tests.benchmarks.server import serving
from tests.benchmarks.table import Line


def measure(runs: int, short: bool) -> list[Line]:
    """To a client that does nothing with them, and to batchrun at its fastest, in turns."""
    rows, requests = (200, 20_000) if short else (20_000, 300_000)
    rates, costs, shares = list[float](), list[float](), list[float]()
    with inputs(rows) as files:
        for _ in range(runs):
            with serving() as server:
                rates.append(requests / flood(server.url, requests))
                costs.append(server.stats()["cpu"] / requests * 1e6)
            with serving() as server:
                stats = batchrun(server, files[rows], "--mode", "sync", "-j", CONNECTIONS).stats
                shares.append(stats["posts"] / (stats["last_post"] - stats["first_post"]) / rates[-1] * 100)
    how = f"to a client that only asks, once at a time on each of {CONNECTIONS} connections"
    return [
        Line("the stand-in service: answers a second", rates, "/s", ">=", note=how),
        Line("the stand-in service: CPU an answer", costs, "µs", note="its start and the count of it all included"),
        Line("share of that rate that batchrun asks for at its fastest", shares, "%", note="`--mode sync`"),
    ]
