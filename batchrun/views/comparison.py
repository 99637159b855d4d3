"""Tables and pictures of a comparison, for terminals of 80 columns."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from batchrun.scoring.comparisons import Comparisons
from batchrun.views.console import Terminal
from batchrun.views.printable import printable

BAR = 40
"""Width of the picture of an interval, in cells."""

MAX_NAME = 30
"""Characters of a variant's name beside a picture."""


def show_figures(found: Comparisons) -> None:
    """Print the figures of each variant, one table for each scorer."""
    console = Terminal(highlight=False)
    for scorer in found.by_scorer:
        _print_figures(console, found, scorer)


def show_comparison(found: Comparisons, show: int = 0) -> None:
    """Print the figures, the differences from the baseline, and the first `show` input rows that flipped."""
    console = Terminal(highlight=False)
    for part, one in (("", found), *found.parts.items()):
        if part:
            console.rule(Text(printable(part)), align="left")
        for scorer in one.by_scorer:
            _print_figures(console, one, scorer)
            if len(one.variants) > 1:
                console.print(_differences(one, scorer))
                for line in (*_detectable(one, scorer), *_flips(found.keys, one, scorer, show)):
                    console.print(Text(line))
                console.print()
    for note in found.notes:
        console.print(Text(f"note: {note}", "yellow"))
    if len(found.variants) > 1:
        console.print(
            "A mean is over runs and a difference over rows, so they need not subtract. Intervals "
            "are 95 %; p is corrected for the number of variants.",
            style="dim",
        )


def _print_figures(console: Terminal, found: Comparisons, scorer: str) -> None:
    console.print(_figures(found, scorer))
    for line in _pictures(found, scorer):
        console.print(Text(line), no_wrap=True)


def _figures(found: Comparisons, scorer: str) -> Table:
    figures = found.by_scorer[scorer].figures
    table = Table(title=Text(printable(scorer), "bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant", overflow="fold", min_width=12)
    repeats = any(one.disagree is not None for one in figures)
    for name in ("mean", "95 %", "n", "missing", *(("all", "any") if repeats else ())):
        table.add_column(name, justify="right", no_wrap=True)
    means = {one.mean for one in figures if one.mean is not None}
    for name, one in zip(found.variants, figures, strict=True):
        mark = " "
        if len(means) > 1:
            mark = "▲" if one.mean == max(means) else "▼" if one.mean == min(means) else " "
        table.add_row(
            Text(printable(name)),
            f"{_number(one.mean)} {mark}",
            _interval(one.low, one.high),
            f"{one.n:,}",
            f"{one.missing:,}",
            *((_share(one.pass_all), _share(one.pass_any)) if repeats else ()),
        )
    return table


def _pictures(found: Comparisons, scorer: str) -> Iterator[str]:
    """The interval of each variant as a line with a dot at the mean, on a common scale."""
    figures = found.by_scorer[scorer].figures
    ends = [value for one in figures for value in (one.low, one.high) if value is not None]
    if len(found.variants) < 2 or len(set(ends)) < 2:
        return
    first, last = min(ends), max(ends)
    names = [_cut(printable(name)) for name in found.variants]
    width = max(map(len, names))
    for name, one in zip(names, figures, strict=True):
        if one.low is None or one.mean is None or one.high is None:
            continue
        low, mean, high = (
            round((value - first) / (last - first) * (BAR - 1)) for value in (one.low, one.mean, one.high)
        )
        cells = [" "] * low + ["─"] * (high + 1 - low)
        cells[mean] = "●"
        yield f" {name:<{width}}  {''.join(cells)}"


def _cut(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def _differences(found: Comparisons, scorer: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(Text(f"against {printable(found.baseline)}"), overflow="fold", min_width=12)
    for name in ("change", "95 %", "p", "better", "worse", "same"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in zip(found.variants, found.by_scorer[scorer].differences, strict=True):
        if one is not None:
            figures = (_number(one.mean, "+"), _interval(one.low, one.high, "+"), _p(one.p))
            table.add_row(Text(printable(name)), *figures, f"{one.better:,}", f"{one.worse:,}", f"{one.same:,}")
    return table


def _detectable(found: Comparisons, scorer: str) -> Iterator[str]:
    """What so many rows can show at all."""
    differences = [one for one in found.by_scorer[scorer].differences if one is not None]
    smallest = [one.detectable for one in differences if one.detectable is not None]
    if smallest:
        rows = min(one.rows for one in differences)
        yield f" {rows:,} rows show a difference of {max(smallest):.3f} or more in 4 cases of 5"


def _flips(keys: Sequence[str | None], found: Comparisons, scorer: str, show: int) -> Iterator[str]:
    for name, one in zip(found.variants, found.by_scorer[scorer].differences, strict=True):
        if one is None or not show:
            continue
        for word, rows in (("better", one.better_rows), ("worse", one.worse_rows)):
            if len(rows):
                yield f" {word} under {printable(name)}: {', '.join(_row(keys, int(row)) for row in rows[:show])}"


def _row(keys: Sequence[str | None], row: int) -> str:
    key = keys[row] if row < len(keys) else None
    return f"row {row}" if key is None else printable(key)


def _number(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _interval(low: float | None, high: float | None, sign: str = "") -> str:
    return "–" if low is None or high is None else f"{low:{sign}.3f} to {high:{sign}.3f}"


def _p(value: float | None) -> str:
    return "–" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"
