"""The progress bar on a terminal: a bar with the most important figures, the other counts, and what limits sending."""

import asyncio
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from batchrun.engine.settings import Stop
from batchrun.views.number_format import per_second
from batchrun.views.progress import JobProgress, stopping_text

MIN_BAR, LEAST_SHARE = 12, 4
"""The bar has at least 12 columns and a quarter of the width, as long as the figures beside it can be shortened."""

MAX_LINES = 2
"""The most lines with errors, and with what limits sending."""

REFRESH_SECONDS = 0.25

_SOLID, _THIN, _NOTHING = 0, 1, 2
_STYLES = ((_SOLID, "green"), (_SOLID, "red"), (_SOLID, "yellow"), (_THIN, "cyan"), (_NOTHING, "bright_black"))
_CHARACTERS, _IN_ASCII = "━─·", "#=."


class _Display:
    """The lines of the bar, fitted to the width of the terminal."""

    def __init__(self, progress: JobProgress) -> None:
        self._progress = progress
        self.note = ""
        """What the job does until it has stopped."""
        self.is_over = False
        """Whether the summary follows, which has the rest."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        characters = _IN_ASCII if options.ascii_only else _CHARACTERS
        for line in self._lines(options.max_width, characters):
            line.truncate(options.max_width, overflow="crop" if options.ascii_only else "ellipsis")
            line.no_wrap = True
            yield line

    def _lines(self, width: int, characters: str) -> Iterator[Text]:
        progress = self._progress
        counts = progress.counts()
        # A stopping job has no ETA.
        heads = list(_heads(progress, with_eta=not (self.note or self.is_over)))
        least = max(MIN_BAR, width // LEAST_SHARE)
        head = next((head for head in heads if len(head) + 1 + least <= width), heads[-1])
        bar = _bar([number for _, number, _ in counts], max(0, width - len(head) - 1), characters)
        yield Text.assemble(bar, " ", (head, "bold"))
        yield _counts(counts[1:], width, ", " if characters == _IN_ASCII else " · ")
        if self.is_over:
            return
        if self.note:
            yield Text(self.note, "yellow")
        for line in progress.conditions[:MAX_LINES]:
            yield Text(line, "yellow")
        for line in progress.errors[:MAX_LINES]:
            yield Text(line, "red")


def _heads(progress: JobProgress, *, with_eta: bool) -> Iterator[str]:
    """The figures beside the bar, from the widest to the shortest."""
    tally, rate, eta = progress.tally, progress.rate, progress.eta_text if with_eta else ""
    done, total = f"{progress.counts()[0][1]:,}", f"{tally.total:,}"
    reused = f" ({tally.reused:,} reused)" if tally.reused else ""
    speed = per_second(rate) if rate else "-"
    for words in (
        (f"{done} of {total} done{reused}", f"{speed} rows/s", eta),
        (f"{done} of {total} done", f"{speed} rows/s", eta),
        (f"{done}/{total}", f"{speed}/s", eta),
        (f"{done}/{total}", eta),
    ):
        yield "  ".join(filter(None, words))


def _bar(numbers: Sequence[int], width: int, characters: str) -> Text:
    """A bar of `width` columns with a part for each number. A number that is not 0 has a column if there is room."""
    text, total = Text(), max(1, sum(numbers))
    columns = [width * number // total for number in numbers]
    for index, number in enumerate(numbers):
        if number and not columns[index] and max(columns) > 1:
            columns[index] += 1
            columns[columns.index(max(columns))] -= 1
    columns[-1] += width - sum(columns)
    if not numbers[-1]:  # what is lost by rounding goes to the widest part
        columns[columns.index(max(columns[:-1]))] += columns[-1]
        columns[-1] = 0
    for size, (character, style) in zip(columns, _STYLES, strict=True):
        text.append(characters[character] * size, style)
    return text


def _counts(counts: Sequence[tuple[str, int, str]], width: int, separator: str) -> Text:
    """The counts beside `done`; if they do not fit, those that are 0 are left out first, then the last one."""
    shown = [count for count in counts if count[1] or count[0] in {"failed", "in flight", "queued"}]
    while True:
        text = Text.assemble((separator, "dim")).join(
            Text(f"{number:,} {name}", colour if number else "dim") for name, number, colour in shown
        )
        if len(text) <= width or len(shown) <= 1:
            return text
        without_zeros = [count for count in shown if count[1]]
        shown = without_zeros if len(without_zeros) < len(shown) else shown[:-1]


class BarView:
    """Shows a progress bar with counts, rate and ETA, what limits sending, and the last errors."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._display: _Display | None = None

    async def show(self, progress: JobProgress) -> None:
        """Draw the bar until cancelled."""
        display = self._display = _Display(progress)
        with Live(display, console=self._console, auto_refresh=False) as live:
            try:
                while True:
                    live.refresh()
                    await asyncio.sleep(REFRESH_SECONDS)
            finally:
                display.is_over = True
                live.refresh()

    def on_stopping(self, stop: Stop) -> None:
        """Show what happens next below the bar. The reason is shown in the closing summary."""
        if self._display is not None:
            self._display.note = stopping_text(stop)
