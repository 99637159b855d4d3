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
"""The README's plots, from what the benchmarks kept: `python -m tests.benchmarks.plots` (needs the extra `bench`)."""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from tests.benchmarks.polling import KEPT as POLLING

PLOTS = Path(__file__).with_name("plots")

INK = "#808890"
"""Legible on white and on black."""

STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "batchrun",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


def polling() -> None:
    """How soon the ends of runs are known, for three distributions of durations."""
    kept = json.loads(POLLING.read_text("utf-8"))
    figure, panels = plt.subplots(1, len(kept), figsize=(9.5, 2.9), sharey=True, layout="constrained")
    for panel, (kind, curves) in zip(panels, kept.items(), strict=True):
        for (name, points), colour in zip(curves.items(), ("#d9822b", "#2f7fd1", "#3fa45b", "#9a6fd0"), strict=True):
            label = "doubling intervals" if name == "exponential" else f"{name}/s"
            panel.plot(*zip(*points, strict=True), color=colour, linewidth=1.6, label=label)
        panel.set(title=kind, xlabel="seconds after the end of a run", xlim=(0, 32), ylim=(0, 1))
        panel.title.set_size(9)
        panel.grid(color=INK, alpha=0.25, linewidth=0.5)
    panels[0].set_ylabel("share of the ends known")
    panels[-1].legend(frameon=False, fontsize=8)
    save(figure, "polling")


def save(figure: Any, name: str) -> None:
    """Write it as SVG, without a date, so that the same data give the same file."""
    PLOTS.mkdir(exist_ok=True)
    figure.savefig(PLOTS / f"{name}.svg", transparent=True, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Draw all."""
    with mpl.rc_context(STYLE):
        polling()


if __name__ == "__main__":
    main()
