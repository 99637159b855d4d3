"""The plots of the pages: `python -m tests.benchmarks.plots [NAME ...]` draws them anew (needs the extra `bench`).

`polling` shows what the last measurement kept, `rate` tells its story again in virtual time.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.benchmarks import recovery
from tests.benchmarks.polling import KEPT as POLLING

FOLDER = Path(__file__).with_name("plots")

INK = "#808890"
"""Legible on white and on black."""

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "batchrun",  # the same data is the same file
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


def rate() -> Figure:
    """What a job makes of a quota that is cut to a half and comes back: adaptive, and fixed."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    used, refused = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    times = range(int(recovery.END))
    quota = [recovery.LEFT if recovery.CUT <= at < recovery.BACK else recovery.RATE for at in times]
    used.step(times, quota, where="post", color=INK, linestyle=":", label="the service's quota")
    for control, color in (("fixed", "#d9822b"), ("adaptive", "#2f7fd1")):
        story = recovery.story(0, control)
        taken = [recovery.within(story.taken, at - 1.5, at + 1.5) / 3 for at in times if at >= 2]
        used.plot(times[2:], taken, color=color, label=f"--rate-control {control}")
        steps = [sum(refusal <= at for refusal in story.refused) for at in times]
        refused.step(times, steps, where="post", color=color)
    used.set(ylabel="taken a second", ylim=(0, 1.2 * recovery.RATE))
    used.legend(loc="lower right", frameon=False)
    refused.set(ylabel="429s so far", xlabel="seconds", xlim=(0, recovery.END))
    return figure


def polling() -> Figure:
    """How soon the ends of runs are known, for three distributions of durations."""
    kept = json.loads(POLLING.read_text("utf-8"))
    figure = Figure(figsize=(9.5, 2.9), layout="constrained")
    panels = figure.subplots(1, len(kept), sharey=True)
    for panel, (kind, curves) in zip(panels, kept.items(), strict=True):
        for (name, points), colour in zip(curves.items(), ("#d9822b", "#2f7fd1", "#3fa45b", "#9a6fd0"), strict=True):
            label = "doubling intervals" if name == "exponential" else f"{name}/s"
            panel.plot(*zip(*points, strict=True), color=colour, linewidth=1.6, label=label)
        panel.set(title=kind, xlabel="seconds after the end of a run", xlim=(0, 32), ylim=(0, 1))
        panel.title.set_size(9)
        panel.grid(color=INK, alpha=0.25, linewidth=0.5)
    panels[0].set_ylabel("share of the ends known")
    panels[-1].legend(frameon=False, fontsize=8)
    return figure


PLOTS: dict[str, Callable[[], Figure]] = {"rate": rate, "polling": polling}


def main() -> None:
    """Draw."""
    FOLDER.mkdir(exist_ok=True)
    with mpl.rc_context(STYLE):
        for name in sys.argv[1:] or PLOTS:
            PLOTS[name]().savefig(FOLDER / f"{name}.svg", transparent=True, metadata={"Date": None})


if __name__ == "__main__":
    main()
