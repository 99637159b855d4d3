"""The progress bar on a terminal."""

import asyncio

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from batchrun.domain.states import State
from batchrun.engine.settings import Stop
from batchrun.views.number_format import duration
from batchrun.views.progress import Live, what_now


class _Figures(ProgressColumn):
    """Failed, in flight, rate and ETA, from the live figures."""

    def __init__(self, live: Live) -> None:
        super().__init__(Column(no_wrap=True))
        self._live = live
        self.note = ""

    def render(self, task: Task) -> Text:
        """One line of figures."""
        live, text = self._live, Text()
        text.append(f"{task.completed:,.0f}/{task.total:,.0f}", "bold")
        text.append(f"  {live.failed:,} failed", "red" if live.failed else "dim")
        if doubt := live.tally[State.IN_DOUBT]:
            text.append(f"  {doubt:,} in doubt", "yellow")
        text.append(f"  {live.in_flight:,} in flight", "cyan")
        text.append(f"  {live.rate:.1f}/s" if live.rate else "  -/s")
        if self.note:  # there is no telling when the rest will be done
            text.append(f"  {self.note}", "yellow")
        else:
            text.append(f"  ETA {duration(live.eta)}" if live.eta is not None else "  ETA -")
        return text


class BarView:
    """A bar with done, failed, in flight, rate and ETA."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._figures: _Figures | None = None

    async def show(self, live: Live) -> None:
        """Draw the bar until cancelled."""
        figures = self._figures = _Figures(live)
        columns = (SpinnerColumn(), TextColumn("batchrun"), BarColumn(bar_width=None), figures)
        with Progress(*columns, console=self._console, auto_refresh=False, expand=True) as progress:
            bar = progress.add_task("rows", total=live.tally.total, completed=live.tally.ended)
            ticks = 0
            try:
                while True:
                    if ticks % 4 == 0:
                        live.sample()
                    ticks += 1
                    progress.update(bar, completed=live.tally.ended + live.tally[State.IN_DOUBT])
                    progress.refresh()
                    await asyncio.sleep(0.25)
            finally:
                live.sample()
                progress.update(bar, completed=live.tally.ended + live.tally[State.IN_DOUBT])
                progress.refresh()

    def stopping(self, stop: Stop) -> None:
        """Say what happens now, beside the bar; the reason is told in the end."""
        if self._figures is not None:
            self._figures.note = what_now(stop)
