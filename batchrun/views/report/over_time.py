"""The charts of what happened over time. Imports bokeh, which is an extra."""

from collections.abc import Callable

from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from batchrun.domain.time_series import HEARTBEAT, Interval
from batchrun.views.number_format import count, duration
from batchrun.views.report.formats import seconds
from batchrun.views.report.model import JobReport, ended_rows
from batchrun.views.report.plot import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    Chart,
    Data,
    Series,
    add_hover,
    drawn,
    plot_over_time,
)
from batchrun.views.report.timeline import Timeline, timeline

TABLE_ROWS = 60
"""Rows of the table beside a chart."""

_KIND_COLOURS = (RED, ORANGE, PURPLE, BLUE, GREEN, GREY, "#a3721a", "#0f8f9c", "#b0539b")
_HATCHES = ("blank", "right_diagonal_line", "dot", "horizontal_line", "cross")


def _submitted(one: Interval) -> float:
    return one.submissions / one.seconds


def _ended(one: Interval) -> float:
    return max(0, one.ended) / one.seconds


def _allowed(one: Interval) -> float:
    return one.allowed / one.seconds


def throughput(job: JobReport, line: Timeline, identity: str) -> Chart:
    """Submissions, ended rows and the allowed rate, with pauses, outages and answers of 429."""
    top = (
        1.05 * max(max(_allowed(one.interval), _submitted(one.interval), _ended(one.interval)) for one in line.every)
        or 1.0
    )
    plot = plot_over_time("per second", line.end, top)
    paused, out = line.bands(lambda one: one.paused_ms), line.bands(lambda one: one.outage_ms)
    legend = []
    for bands, colour, hatch, name in (
        (paused, ORANGE, "right_diagonal_line", "with a pause after a 429"),
        (out, RED, "cross", "service unavailable at times"),
    ):
        if bands:
            plot.quad(
                left=[start for start, _ in bands],
                right=[end for _, end in bands],
                bottom=0,
                top=top,
                fill_color=colour,
                fill_alpha=0.15,
                line_color=None,
                hatch_pattern=hatch,
                hatch_color=colour,
                hatch_alpha=0.5,
            )
            legend.append(Series(name, colour, "band"))
    _mark_commands(plot, line, top)
    lines = [
        (Series("allowed submissions", GREY, "dashed"), _allowed),
        (Series("submissions", BLUE, "solid"), _submitted),
        (Series("rows ended", GREEN, "solid"), _ended),
    ]
    for series, value in lines:
        _add_steps(plot, line, value, (series.name, "@y{0.00}/s"), series)
        legend.append(series)
    if refused := [(one.start + one.end) / 2 for one in line.every if one.interval.throttled]:
        plot.scatter(x=refused, y=[top * 0.03] * len(refused), marker="triangle", size=7, color=ORANGE)
        legend.append(Series("429 answers", ORANGE, "triangle"))
    return drawn(plot, identity, _throughput_data(job, line), legend)


def _throughput_data(job: JobReport, line: Timeline) -> Data:
    submitted, ended, refused = (
        sum(getattr(one.interval, name) for one in line.every) for name in ("submissions", "ended", "throttled")
    )
    troubles = [
        f"{refused:,} answers of 429" if refused else "",
        _lasted(line, "paused_ms", "paused"),
        _lasted(line, "outage_ms", "without the service"),
    ]
    trouble = ", ".join(filter(None, troubles)) or "no answer of 429, no outage"
    headers = ("from", "submissions/s", "rows ended/s", "allowed/s", "429 answers", "paused", "unavailable")
    rows = [
        (
            duration(one.start),
            f"{_submitted(one.interval):.2f}",
            f"{_ended(one.interval):.2f}",
            f"{_allowed(one.interval):.2f}",
            f"{one.interval.throttled:,}",
            seconds(one.interval.paused_ms / 1000) if one.interval.paused_ms else "–",
            seconds(one.interval.outage_ms / 1000) if one.interval.outage_ms else "–",
        )
        for one in timeline(job.sessions, TABLE_ROWS).every
    ]
    again = " (a row that is tried again ends again)" if ended > ended_rows(job.summary) else ""
    sentence = (
        f"{count(submitted, 'submission')} and {count(ended, 'end')} of rows{again}, in {duration(line.end)} of work; "
        f"{trouble}.{_unrecorded(job, submitted)}"
    )
    return Data("Throughput", sentence, headers, rows)


def _unrecorded(job: JobReport, submitted: int) -> str:
    """What the chart lacks."""
    missing = job.summary.submissions - submitted
    if missing <= 0:
        return ""
    more = count(missing, "more submission")
    *earlier, last = job.sessions
    if any(one.exit_code is None for one in (earlier if job.summary.process is not None else job.sessions)):
        return f" The last seconds before a kill, at most {HEARTBEAT:g}, are missing here, with {more}."
    if last.exit_code is None:
        return f" The last seconds, at most {HEARTBEAT:g}, are missing here so far, with {more}."
    return f" What happened when was not recorded for {more}."


def in_flight(job: JobReport, line: Timeline, identity: str) -> Chart:
    """The runs in flight as each second ended, and their limit if it was near."""
    most, limit = max(one.interval.in_flight for one in line.every), job.max_in_flight
    is_near = most >= limit / 2
    top = 1.08 * max(most, limit if is_near else 1)
    plot = plot_over_time("runs in flight", line.end, top)
    legend = [Series("runs in flight", PURPLE, "solid")]
    _add_steps(plot, line, lambda one: one.in_flight, ("in flight", "@y{0,0}"), legend[0])
    if is_near:
        plot.line(x=[0, line.end], y=[limit] * 2, line_color=GREY, line_dash="dashed", line_width=1.6)
        legend.append(Series("limit (--max-in-flight)", GREY, "dashed"))
    _mark_commands(plot, line, top)
    rows = [(duration(one.start), f"{one.interval.in_flight:,}") for one in timeline(job.sessions, TABLE_ROWS).every]
    sentence = f"At most {most:,} runs were in flight when a second ended; the limit is {limit:,}."
    return drawn(plot, identity, Data("Runs in flight", sentence, ("from", "in flight"), rows), legend)


def errors(job: JobReport, identity: str) -> Chart:
    """Rows with errors by kind, in equal parts of the time, stacked."""
    over_time, width = job.rows.errors_over_time, job.rows.part_s
    parts = range(len(next(iter(over_time.values()))))
    totals = [sum(counts[part] for counts in over_time.values()) for part in parts]
    plot = plot_over_time("rows", width * len(parts), 1.08 * max(totals))
    below, legend = [0] * len(parts), list[Series]()
    for place, (kind, counts) in enumerate(over_time.items()):
        shown = [part for part in parts if counts[part]]
        source = ColumnDataSource(
            {
                "left": [part * width for part in shown],
                "right": [(part + 0.92) * width for part in shown],
                "bottom": [below[part] for part in shown],
                "top": [below[part] + counts[part] for part in shown],
                "rows": [counts[part] for part in shown],
            }
        )
        bars = plot.quad(
            left="left",
            right="right",
            bottom="bottom",
            top="top",
            source=source,
            fill_color=_KIND_COLOURS[place],
            line_color=None,
            hatch_pattern=_HATCHES[place % len(_HATCHES)],
            hatch_color="white",
            hatch_alpha=0.7,
        )
        add_hover(plot, bars, (str(kind), "@rows{0,0}"), ("from", "@left{00:00:00}"))
        legend.append(Series(str(kind), _KIND_COLOURS[place], "bar"))
        below = [before + count for before, count in zip(below, counts, strict=True)]
    summed = ", ".join(f"{sum(counts):,} {kind}" for kind, counts in over_time.items())
    rows = [
        (duration(part * width), *(f"{counts[part]:,}" for counts in over_time.values()))
        for part in parts
        if totals[part]
    ]
    sentence = f"Rows with errors, by when they got them: {summed}."
    return drawn(plot, identity, Data("Errors over time", sentence, ("from", *map(str, over_time)), rows), legend)


def _add_steps(
    plot: figure, line: Timeline, value: Callable[[Interval], float], shown: tuple[str, str], series: Series
) -> None:
    x, y = line.steps(value)
    steps = plot.step(x=x, y=y, mode="after", line_color=series.colour, line_dash=series.mark, line_width=1.6)
    add_hover(plot, steps, shown, ("at", "@x{00:00:00}"))


def _mark_commands(plot: figure, line: Timeline, top: float) -> None:
    """A dotted line where one command ended and the next one began."""
    if at := [start for start, _ in line.sessions[1:]]:
        plot.segment(x0=at, x1=at, y0=0, y1=top, line_dash="dotted", line_color=GREY)


def _lasted(line: Timeline, name: str, what: str) -> str:
    milliseconds = sum(getattr(one.interval, name) for one in line.every)
    return f"{duration(milliseconds / 1000)} {what}" if milliseconds else ""
