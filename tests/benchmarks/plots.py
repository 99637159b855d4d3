"""The README's plots: `python -m tests.benchmarks.plots [NAME ...]` draws them anew, into `plots/`."""

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.benchmarks import recovery

FOLDER = Path(__file__).with_name("plots")


def rate() -> Figure:
    """What a job makes of a quota that is cut to a half and comes back: adaptive, and fixed."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    used, refused = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    times = range(int(recovery.END))
    quota = [recovery.LEFT if recovery.CUT <= at < recovery.BACK else recovery.RATE for at in times]
    used.step(times, quota, where="post", color="black", linestyle=":", label="the service's quota")
    for control, color in (("fixed", "tab:orange"), ("adaptive", "tab:blue")):
        story = recovery.story(0, control)
        taken = [recovery.within(story.taken, at - 1.5, at + 1.5) / 3 for at in times if at >= 2]
        used.plot(times[2:], taken, color=color, label=f"--rate-control {control}")
        steps = [sum(refusal <= at for refusal in story.refused) for at in times]
        refused.step(times, steps, where="post", color=color)
    used.set(ylabel="taken a second", ylim=(0, 1.2 * recovery.RATE))
    used.legend(loc="lower right", frameon=False)
    refused.set(ylabel="429s so far", xlabel="seconds", xlim=(0, recovery.END))
    return figure


PLOTS: dict[str, Callable[[], Figure]] = {"rate": rate}


def main() -> None:
    """Draw."""
    mpl.rcParams["svg.hashsalt"] = "batchrun"  # the same data is the same file
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or PLOTS:
        PLOTS[name]().savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
