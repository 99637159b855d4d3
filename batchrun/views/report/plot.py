"""What all charts of a report have in common. Imports bokeh, which is an extra."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bokeh.core.types import ID
from bokeh.embed import json_item
from bokeh.models import (
    AdaptiveTicker,
    BasicTickFormatter,
    FixedTicker,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.models.renderers import GlyphRenderer
from bokeh.plotting import figure

HEIGHT = 220

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = "#2f7fc1", "#c8641b", "#2b9163", "#d0435b", "#8a63d2", "#7d8590"
"""Each has a contrast of at least 3 to the background of both themes."""

WORKING_TIME = "working time (h:mm:ss)"

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
"""Seconds between two marks on an axis of time."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series in the legend. `mark`: `solid` or `dashed` lines, `band`, `bar` or `triangle`."""

    name: str
    colour: str
    mark: str


@dataclass(frozen=True, slots=True)
class Data:
    """What a chart shows, in words: a sentence, and a table."""

    title: str
    sentence: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. `item`: what BokehJS draws in the element `id`, as plain data."""

    id: str
    data: Data
    legend: Sequence[Series]
    item: Mapping[str, Any]


def drawn(plot: figure, identity: str, data: Data, legend: Sequence[Series] = ()) -> Chart:
    """The chart of a plot. `identity`: of the element in the page in which it is drawn."""
    return Chart(identity, data, legend, json_item(plot, ID(identity)))


def empty_plot(x_label: str, y_label: str, width: float, top: float) -> figure:
    """A plot from 0 to `width` and from 0 to `top`."""
    plot = figure(
        height=HEIGHT,
        sizing_mode="stretch_width",
        output_backend="svg",  # sharp in print
        tools="",
        toolbar_location=None,
        x_axis_label=x_label,
        y_axis_label=y_label,
        x_range=Range1d(start=-0.01 * width, end=1.01 * width),
        y_range=Range1d(start=0, end=top),
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
    )
    plot.yaxis.formatter = BasicTickFormatter(use_scientific=False)
    plot.yaxis.ticker = AdaptiveTicker(desired_num_ticks=6, mantissas=[1, 2, 5], min_interval=1 if top > 3 else 0.01)
    plot.xgrid.grid_line_color = None
    return plot


def plot_over_time(y_label: str, end: float, top: float) -> figure:
    """A plot over the seconds from 0 to `end`."""
    plot = empty_plot(WORKING_TIME, y_label, max(end, 0.001), top)
    plot.xaxis.formatter = NumeralTickFormatter(format="00:00:00")
    step = next((one for one in _STEPS if end / one <= 6), 86_400 * math.ceil(end / 6 / 86_400))
    plot.xaxis.ticker = FixedTicker(ticks=[place * step for place in range(int(end / step) + 1)])
    return plot


def add_hover(plot: figure, renderer: "GlyphRenderer[Any]", *lines: tuple[str, str]) -> None:
    """Show these lines, each a name and a pattern of bokeh, where the pointer is. Only numbers may be shown."""
    plot.add_tools(HoverTool(renderers=[renderer], tooltips=list(lines)))
