"""Tables and pictures of a comparison, for terminals of 80 columns."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text

from batchrun.scoring.comparisons import Comparisons, Flip
from batchrun.views.console import Terminal
from batchrun.views.printable import printable
from batchrun.views.verdicts import is_significant, score_of, verdicts

if TYPE_CHECKING:
    from batchrun.scoring.figures import Difference

BAR = 40
"""Width of the picture of an interval, in cells."""

MAX_OUTPUT = 300
"""Characters of an output that are shown."""

MAX_NAME = 30
"""Width of a variant's name beside a picture, in cells."""


def show_figures(found: Comparisons) -> None:
    """Print the figures of each variant, one table for each scorer."""
    console = Terminal(highlight=False)
    for scorer in found.by_scorer:
        _print_figures(console, found, scorer)


def show_comparison(found: Comparisons, *, shows_flips: bool = False) -> None:
    """Print which variant is better, the figures, the differences from the baseline, the flipped rows and the runs.

    `shows_flips`: flipped rows were asked for, so that it is said if there are none.
    """
    console = Terminal(highlight=False)
    for sentence in (sentences := verdicts(found, power=False)):
        console.print(Text(printable(sentence), "bold"))
    if sentences:
        console.print()
    for part, one in (("", found), *found.parts.items()):
        if one is not found:
            console.rule(Text(printable(part) or "(empty)"), align="left")
        for scorer in one.by_scorer:
            _print_figures(console, one, scorer)
            if len(one.variants) > 1:
                console.print(_differences(one, scorer))
                for line in _detectable(one, scorer):
                    console.print(Text(line))
                console.print()
    for flip in found.flips:
        _print_flip(console, flip)
    if shows_flips and not found.flips:
        console.print("no rows flipped", style="dim")
    console.print(_runs(found))
    for note in found.notes:
        console.print(Text(f"note: {printable(note)}", "yellow"))
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
    for line in _disagree(found, scorer):
        console.print(Text(line))


def _figures(found: Comparisons, scorer: str) -> Table:
    figures, differences = found.by_scorer[scorer].figures, found.by_scorer[scorer].differences
    table = Table(title=Text(printable(scorer), "bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("variant", overflow="fold", min_width=12)
    repeats = any(one.disagree is not None for one in figures)
    for name in ("mean", "95 %", "n", "missing", *(("all", "any") if repeats else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one, difference in zip(found.variants, figures, differences, strict=True):
        table.add_row(
            Text(printable(name)),
            f"{_number(one.mean)} {_mark(difference)}",
            _interval(one.low, one.high),
            f"{one.n:,}",
            f"{one.missing:,}",
            *((_share(one.pass_all), _share(one.pass_any)) if repeats else ()),
        )
    return table


def _mark(difference: "Difference | None") -> str:
    """Whether the variant is better or worse than the baseline; blank where that may be chance."""
    if difference is None or not difference.mean or not is_significant(difference):
        return " "
    return "▲" if difference.mean > 0 else "▼"


def _pictures(found: Comparisons, scorer: str) -> Iterator[str]:
    """The interval of each variant as a line with a dot at the mean, on a common scale."""
    figures = found.by_scorer[scorer].figures
    ends = [value for one in figures for value in (one.low, one.high) if value is not None]
    if len(found.variants) < 2 or len(set(ends)) < 2:
        return
    first, last = min(ends), max(ends)
    names = [_cut(printable(name)) for name in found.variants]
    width = max(map(cell_len, names))
    for name, one in zip(names, figures, strict=True):
        if one.low is None or one.mean is None or one.high is None:
            continue
        low, mean, high = (
            round((value - first) / (last - first) * (BAR - 1)) for value in (one.low, one.mean, one.high)
        )
        cells = [" "] * low + ["─"] * (high + 1 - low)
        cells[mean] = "●"
        yield f" {set_cell_size(name, width)}  {''.join(cells)}"


def _disagree(found: Comparisons, scorer: str) -> Iterator[str]:
    """How often the repeats of a row have not the same score."""
    shares = [(name, one.disagree) for name, one in zip(found.variants, found.by_scorer[scorer].figures, strict=True)]
    told = [f"{printable(name)} {share:.0%}" for name, share in shares if share is not None]
    if told:
        yield f" repeats disagree in: {', '.join(told)} of the rows"


def _cut(name: str) -> str:
    return name if cell_len(name) <= MAX_NAME else f"{set_cell_size(name, MAX_NAME - 1)}…"


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
    """What so many rows can show at all: of several variants, of the one whose scores vary most."""
    known = [
        (one.detectable, one.rows, name)
        for name, one in zip(found.variants, found.by_scorer[scorer].differences, strict=True)
        if one is not None and one.detectable is not None
    ]
    if known:
        size, rows, name = max(known)
        of = f" of {printable(name)}" if len(known) > 1 else ""
        yield f" with {rows:,} rows, a true difference of {size:.3f}{of} would be noticed 4 times out of 5"


def _print_flip(console: Terminal, flip: Flip) -> None:
    word = "better" if flip.better else "worse"
    console.print(
        Text(f"{printable(flip.label)}: {printable(flip.scorer)} {word} under {printable(flip.variant)}", "bold")
    )
    for name, side in (("baseline", flip.baseline_run), (flip.variant, flip.variant_run)):
        output = printable(side.output or "no output")
        shown = output if len(output) <= MAX_OUTPUT else f"{output[: MAX_OUTPUT - 1]}…"
        run = f"run {printable(side.run_id or 'unknown')}"
        console.print(Text(f"  {printable(name)}, {run}, {score_of(side)}: {shown}"))


def _runs(found: Comparisons) -> Table:
    has_tokens = any(one.total_tokens is not None for one in found.runs.values())
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("runs", overflow="fold", min_width=12)
    for name in ("completed", "p50", "p95", *(("tokens",) if has_tokens else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in found.runs.items():
        tokens = (f"{one.total_tokens or 0:,}",) if has_tokens else ()
        table.add_row(Text(printable(name)), f"{one.completed:,}", _seconds(one.p50_s), _seconds(one.p95_s), *tokens)
    return table


def _seconds(value: float | None) -> str:
    if value == 0:  # the clock of the service has whole seconds
        return "< 1 s"
    return "–" if value is None else f"{value:.1f} s"


def _number(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _interval(low: float | None, high: float | None, sign: str = "") -> str:
    return "–" if low is None or high is None else f"{low:{sign}.3f} to {high:{sign}.3f}"


def _p(value: float | None) -> str:
    return "–" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"
