"""The progress bar on a terminal."""

import asyncio

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from batchrun.domain.states import State
from batchrun.engine.settings import Stop
from batchrun.views.number_format import duration
from batchrun.views.progress import JobProgress, stopping_text


class _Figures(ProgressColumn):
    """A column with done, failed, in flight, rate and ETA."""

    def __init__(self, progress: JobProgress) -> None:
        super().__init__(Column(no_wrap=True))
        self._progress = progress
        self.note = ""

    def render(self, task: Task) -> Text:
        """The figures as one line of text."""
        progress, text = self._progress, Text()
        text.append(f"{task.completed:,.0f}/{task.total:,.0f}", "bold")
        text.append(f"  {progress.failed:,} failed", "red" if progress.failed else "dim")
        if in_doubt := progress.tally[State.IN_DOUBT]:
            text.append(f"  {in_doubt:,} in doubt", "yellow")
        text.append(f"  {progress.in_flight:,} in flight", "cyan")
        text.append(f"  {progress.rate:.1f}/s" if progress.rate else "  -/s")
        if self.note:  # a stopping job has no ETA
            text.append(f"  {self.note}", "yellow")
        else:
            text.append(f"  ETA {duration(progress.eta)}" if progress.eta is not None else "  ETA -")
        return text


class BarView:
    """Shows a progress bar with done, failed, in flight, rate and ETA."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._figures: _Figures | None = None

    async def show(self, progress: JobProgress) -> None:
        """Draw the bar until cancelled."""
        figures = self._figures = _Figures(progress)
        columns = (SpinnerColumn(), TextColumn("batchrun"), BarColumn(bar_width=None), figures)
        with Progress(*columns, console=self._console, auto_refresh=False, expand=True) as display:
            bar = display.add_task("rows", total=progress.tally.total, completed=progress.tally.ended)
            refreshes = 0
            try:
                while True:
                    if refreshes % 4 == 0:
                        progress.sample()
                    refreshes += 1
                    display.update(bar, completed=progress.tally.ended + progress.tally[State.IN_DOUBT])
                    display.refresh()
                    await asyncio.sleep(0.25)
            finally:
                progress.sample()
                display.update(bar, completed=progress.tally.ended + progress.tally[State.IN_DOUBT])
                display.refresh()

    def on_stopping(self, stop: Stop) -> None:
        """Show what happens next beside the bar. The reason is shown in the closing summary."""
        if self._figures is not None:
            self._figures.note = stopping_text(stop)
