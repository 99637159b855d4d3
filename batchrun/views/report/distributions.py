"""The charts of distributions: run times, lag and polls. Imports bokeh, which is an extra."""

import math

from bokeh.models import ColumnDataSource, FixedTicker

from batchrun.domain.histogram import Histogram
from batchrun.views.number_format import count, duration
from batchrun.views.report.formats import MILLISECOND, seconds, smallest_run
from batchrun.views.report.model import JobReport
from batchrun.views.report.plot import BLUE, GREEN, PURPLE, Chart, Data, add_hover, drawn, empty_plot

TICKS = 5

MIN_BARS = 6
"""Bars for which there is room at least, so that a single one is not as wide as the chart."""


def run_times(job: JobReport, identity: str) -> Chart:
    """How long completed runs took."""
    clock = "by the service's clock" if job.rows.by_service else "from acceptance until its end was seen"
    text = f"How long a completed run took, {clock}: {_quantiles(job.rows.run, smallest_run(job))}."
    return _histogram(job.rows.run, identity, BLUE, "Run times", text)


def lag(job: JobReport, identity: str) -> Chart:
    """How long it took until the ends of runs were noticed."""
    text = (
        "From the end of a run until a poll or an answer reported it, which is the time since its acceptance less "
        f"the run time by the service's clock: {_quantiles(job.rows.lag)}. The service may count in whole seconds."
    )
    if left_out := job.rows.without_lag:
        text += (
            f" Without {count(left_out, 'run')} that one command began and a later one saw end: "
            "nobody polled in the break between them."
        )
    return _histogram(job.rows.lag, identity, GREEN, "Lag until an end was noticed", text)


def polls(job: JobReport, identity: str) -> Chart:
    """How often completed runs were polled."""
    counts = job.rows.polls
    most, runs = max(counts), sum(counts.values())
    plot = empty_plot("polls of the run", "runs", most + 1, 1.08 * max(counts.values()))
    bars = plot.vbar(x=list(counts), top=list(counts.values()), width=0.9, fill_color=PURPLE, line_color=None)
    add_hover(plot, bars, ("polls", "@x"), ("runs", "@top{0,0}"))
    plot.xaxis.ticker = FixedTicker(ticks=list(range(1, most + 1, math.ceil(most / 10))))
    mean = sum(number * count for number, count in counts.items()) / runs
    text = f"Polls of a completed run: {mean:.3g} on average, at most {most}."
    rows = [(f"{number}", f"{count:,}") for number, count in counts.items()]
    return drawn(plot, identity, Data("Polls of a run", text, ("polls", "runs"), rows))


def _quantiles(times: Histogram, smallest: str = MILLISECOND) -> str:
    p50, p95, p99 = (seconds(times.quantile(share), smallest) for share in (0.5, 0.95, 0.99))
    longest = seconds(times.largest, smallest)
    return f"median {p50}, 95th percentile {p95}, 99th percentile {p99}, longest {longest}, of {times.n:,} runs"


def _histogram(times: Histogram, identity: str, colour: str, title: str, text: str) -> Chart:
    bars = times.bars()
    label = "time (logarithmic)"
    plot = empty_plot(label, "runs", max(len(bars), MIN_BARS), 1.08 * max(count for _, _, count in bars))
    source = ColumnDataSource(
        {
            "left": [place + 0.04 for place in range(len(bars))],
            "right": [place + 0.96 for place in range(len(bars))],
            "top": [count for _, _, count in bars],
            "begin": [begin for begin, _, _ in bars],
            "end": [end for _, end, _ in bars],
        }
    )
    renderer = plot.quad(
        left="left", right="right", bottom=0, top="top", source=source, fill_color=colour, line_color=None
    )
    add_hover(plot, renderer, ("runs", "@top{0,0}"), ("from", "@begin{0.000} s"), ("to", "@end{0.000} s"))
    edges = [bars[0][0], *(end for _, end, _ in bars)]
    ticks = list(range(0, len(edges), max(1, math.ceil(len(bars) / TICKS))))
    plot.xaxis.ticker = FixedTicker(ticks=ticks)
    plot.xaxis.major_label_overrides = {tick: _edge(edges[tick]) for tick in ticks}
    rows = [(f"{_edge(begin)} to {_edge(end)}", f"{count:,}") for begin, end, count in bars]
    return drawn(plot, identity, Data(title, text, ("time", "runs"), rows))


def _edge(value: float) -> str:
    """The end of a bar, to two digits."""
    if not value:
        return "0"
    if value < 0.995:
        return f"{float(f'{value * 1000:.2g}'):g} ms"
    return f"{float(f'{value:.2g}'):g} s" if value < 99.5 else duration(value)
