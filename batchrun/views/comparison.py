"""Tables and pictures of a comparison."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from batchrun.scoring.comparisons import Comparisons
from batchrun.views.console import Terminal
from batchrun.views.printable import printable

BAR = 24
"""Width of a picture of an interval, in cells."""


def show_figures(found: Comparisons) -> None:
    """Print the figures of each variant, one table for each scorer."""
    console = Terminal(highlight=False)
    for scorer in found.by_scorer:
        console.print(_figures(found, scorer))


def show_comparison(found: Comparisons, show: int = 0) -> None:
    """Print the figures, the differences from the baseline, and the first `show` input rows that flipped."""
    console = Terminal(highlight=False)
    for part, one in (("", found), *found.parts.items()):
        if part:
            console.rule(Text(printable(part)))
        for scorer in one.by_scorer:
            console.print(_figures(one, scorer))
            if len(one.variants) > 1:
                console.print(_differences(one, scorer))
                for line in _flips(one, scorer, show):
                    console.print(line)
    for note in found.notes:
        console.print(Text(f"note: {note}", "yellow"))
    if len(found.variants) > 1:
        console.print(
            "Means pool runs and differences average rows, so they need not subtract. Intervals are 95 %; p is corrected "
            "for the number of variants.",
            style="dim",
        )


def _figures(found: Comparisons, scorer: str) -> Table:
    comparison = found.by_scorer[scorer]
    table = Table(title=Text(printable(scorer), "bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant", overflow="fold")
    for name in ("mean", "95 %", "n", "missing"):
        table.add_column(name, justify="right", no_wrap=True)
    repeats = any(one.pass_all is not None and one.disagree is not None for one in comparison.figures)
    if repeats:
        table.add_column("all", justify="right", no_wrap=True)
        table.add_column("any", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    means = [one.mean for one in comparison.figures if one.mean is not None]
    bounds = _bounds([(one.low, one.high) for one in comparison.figures])
    for name, one in zip(found.variants, comparison.figures, strict=True):
        mark = ""
        if len(means) > 1 and max(means) > min(means) and one.mean is not None:
            mark = " ▲" if one.mean == max(means) else " ▼" if one.mean == min(means) else ""
        table.add_row(
            Text(printable(name) + (" (baseline)" if name == found.baseline and len(found.variants) > 1 else "")),
            _number(one.mean) + (mark or "  "),
            _interval(one.low, one.high),
            f"{one.n:,}",
            f"{one.missing:,}",
            *((_share(one.pass_all), _share(one.pass_any)) if repeats else ()),
            _picture(one.low, one.mean, one.high, bounds),
        )
    return table


def _differences(found: Comparisons, scorer: str) -> Table:
    comparison = found.by_scorer[scorer]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(Text(f"against {printable(found.baseline)}"), overflow="fold")
    for name in ("difference", "95 %", "p", "better", "worse", "same"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in zip(found.variants, comparison.differences, strict=True):
        if one is None:
            continue
        counts = (f"{one.better:,}", f"{one.worse:,}", f"{one.same:,}")
        table.add_row(
            Text(printable(name)), _number(one.mean, "+"), _interval(one.low, one.high, "+"), _p(one.p), *counts
        )
        if one.detectable is not None:
            table.add_row(Text(f"  {one.rows:,} rows show differences from {_number(one.detectable)} on", "dim"))
    return table


def _flips(found: Comparisons, scorer: str, show: int) -> Iterator[str]:
    comparison = found.by_scorer[scorer]
    for name, one in zip(found.variants, comparison.differences, strict=True):
        if one is None or not show:
            continue
        for word, rows in (("better", one.better_rows), ("worse", one.worse_rows)):
            if len(rows):
                yield f"{word} under {printable(name)}: {', '.join(_row(found, int(row)) for row in rows[:show])}"


def _row(found: Comparisons, row: int) -> str:
    key = found.keys[row] if row < len(found.keys) else None
    return f"row {row}" if key is None else printable(key)


def _bounds(intervals: Sequence[tuple[float | None, float | None]]) -> tuple[float, float]:
    values = [value for interval in intervals for value in interval if value is not None]
    return (min(values), max(values)) if values else (0.0, 0.0)


def _picture(low: float | None, mean: float | None, high: float | None, bounds: tuple[float, float]) -> str:
    """The interval as a line with a dot at the mean, on a common scale."""
    first, last = bounds
    if low is None or mean is None or high is None or last <= first:
        return ""
    low_at, mean_at, high_at = (round((value - first) / (last - first) * (BAR - 1)) for value in (low, mean, high))
    cells = [" "] * BAR
    cells[low_at : high_at + 1] = "─" * (high_at + 1 - low_at)
    cells[mean_at] = "●"
    return "".join(cells)


def _number(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _interval(low: float | None, high: float | None, sign: str = "") -> str:
    return "–" if low is None or high is None else f"{low:{sign}.3f} to {high:{sign}.3f}"


def _p(value: float | None) -> str:
    return "–" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"
