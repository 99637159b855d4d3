"""The summary at the end of a command and of `status`, and the command to run next."""

import shlex
from collections.abc import Iterator

from rich.live import Live
from rich.table import Table
from rich.text import Text

from batchrun.domain.error_kinds import ErrorKind
from batchrun.domain.filenames import ERRORS, OUTPUTS
from batchrun.domain.summary import Quantiles, ResultFiles, Summary
from batchrun.errors import ExitCode
from batchrun.views.console import Terminal
from batchrun.views.number_format import duration
from batchrun.views.printable import printable

RESUBMIT = " --in-doubt resubmit"

MAX_EXAMPLE = 160
"""Characters of an error message that are shown."""

_NOTHING_LEFT = {ExitCode.OK, ExitCode.ROW_ERRORS, ExitCode.STOPPED, None}
"""The exit codes of a job that may have no rows left to work on."""


def next_command(summary: Summary) -> str | None:
    """The command to run next, or None if nothing is left to do or the run directory is gone."""
    if not summary.folder:
        return None
    dash = "./" if summary.folder.startswith("-") else ""  # otherwise it is parsed as an option
    folder = shlex.quote(dash + summary.folder)
    if summary.process is not None:
        return f"batchrun status {folder} --watch"
    if summary.queued or summary.running or summary.exit_code not in _NOTHING_LEFT:
        options = summary.advised_options
        return f"batchrun resume {folder}" + (f" {options}" if options else "")
    if summary.in_doubt:
        return f"batchrun retry {folder}{RESUBMIT}"
    # A row that could not be sent is refused again as long as its input is the same.
    others = summary.failed + summary.timed_out - summary.errors_by_kind.get(ErrorKind.INPUT, 0)
    return f"batchrun retry {folder}" if others > 0 else None


def show_summary(summary: Summary, *, advice: bool = True) -> None:
    """Print the figures of a job. With `advice`, also print why it stopped and the command to run next.

    A terminal gets lines folded at its width, a file gets one line for each fact.
    """
    console = Terminal(highlight=False)
    if console.is_terminal:
        console.print(_grid(_lines(summary, advice=advice)))
        return
    for line in summary_lines(summary, advice=advice):
        console.print(Text(line), soft_wrap=True)


def summary_lines(summary: Summary, *, advice: bool = True) -> list[str]:
    """The figures of a job as lines of plain text."""
    return [f"{name:<11}{Text.assemble(text).plain}" for name, text in _lines(summary, advice=advice)]


def watch_summaries(summaries: Iterator[Summary]) -> None:
    """Show each summary in place of the one before; in a file, one after the other."""
    console = Terminal(highlight=False)
    if not console.is_terminal:
        for summary in summaries:
            show_summary(summary)
            console.print()
        return
    with Live(console=console, auto_refresh=False) as live:
        for summary in summaries:
            live.update(_grid(_lines(summary, advice=summary.process is None)), refresh=True)


def _lines(summary: Summary, *, advice: bool) -> list[tuple[str, str | Text]]:
    lines: list[tuple[str, str | Text]] = [("job", _job(summary)), ("rows", _states(summary))]
    if summary.errors_by_kind:
        lines += _errors(summary)
    lines.append(("requests", _requests(summary)))
    if tokens := _tokens(summary):
        lines.append(("tokens", tokens))
    if summary.irregular_outputs:
        lines.append(("outputs", f"{summary.irregular_outputs:,} not strict JSON, kept as they could be read"))
    lines.append(("time", _time(summary)))
    lines += [(name, text) for name, text in _latencies(summary) if text]
    if summary.folder:
        lines.append(("results", _results(summary)))
    if advice and summary.reason:
        lines.append(("stopped", Text(printable(summary.reason), "yellow")))
    if advice and (command := next_command(summary)):
        choice = f"   (or fail; see {ERRORS} first)" if command.endswith(RESUBMIT) else ""
        lines.append(("to watch" if summary.process else "next", Text(command, "bold").append(choice, "not bold")))
    return lines


def _grid(lines: list[tuple[str, str | Text]]) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(min_width=10, no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in lines:
        grid.add_row(Text(name, "dim"), Text.assemble(text))
    return grid


def _job(summary: Summary) -> str:
    job = summary.job
    simulated = " (simulated)" if job.get("simulate") else ""
    return f"{job.get('input', '?')}, workflow {job.get('workflow_id', '?')}{simulated}"


def _states(summary: Summary) -> Text:
    text = Text(f"{summary.rows:,}: ")
    parts = [("completed", summary.completed, "green"), ("failed", summary.failed, "red")]
    parts += [("timed out", summary.timed_out, "red"), ("in doubt", summary.in_doubt, "yellow")]
    parts += [("running", summary.running, "cyan"), ("queued", summary.queued, "cyan")]
    shown = [(f"{count:,} {name}", colour) for name, count, colour in parts if count or name == "completed"]
    for number, (part, colour) in enumerate(shown):
        text.append(", " if number else "")
        text.append(part, colour)
        if not number and summary.reused:
            text.append(f" ({summary.reused:,} reused)", "green")
    return text


def _errors(summary: Summary) -> list[tuple[str, str | Text]]:
    """A line for each kind of error, with the message of one row."""
    counts = [(f"{count:,} {kind}", kind) for kind, count in summary.errors_by_kind.items() if count]
    width = max((len(text) for text, _ in counts), default=0)
    lines: list[tuple[str, str | Text]] = []
    for text, kind in counts:
        example = printable(summary.error_examples.get(kind, ""))
        shown = example if len(example) <= MAX_EXAMPLE else f"{example[:MAX_EXAMPLE]}…"
        line = f"{text:<{width}}  such as {shown}" if shown else text
        lines.append(("errors" if not lines else "", line))
    return lines


def _requests(summary: Summary) -> str:
    text = f"{summary.submissions:,} submissions, {summary.polls:,} polls"
    return text + (f", {summary.throttled:,} throttled" if summary.throttled else "")


def _tokens(summary: Summary) -> str:
    counts = [("in", summary.input_tokens), ("out", summary.output_tokens)]
    parts = ", ".join(f"{count:,} {name}" for name, count in counts if count is not None)
    if summary.total_tokens is None:
        return parts
    return f"{summary.total_tokens:,}" + (f" ({parts})" if parts else "")


def _time(summary: Summary) -> str:
    """How long the last session took, and whether it runs, has ended, or was killed."""
    session = summary.session
    parts = [f"{duration(session.elapsed_s)} this session" if session.elapsed_s else "", _rate(summary)]
    if summary.process is not None:
        where = f"process {summary.process.pid} on {summary.process.host}".removesuffix(" on ")
        parts.append(f"running since {_clock(session.started_at)} ({where})")
    elif session.ended_at is not None:
        parts.append(f"ended {_clock(session.ended_at)} with exit code {summary.exit_code}")
    elif session.last_at is not None:
        parts.append(f"killed or crashed after {_clock(session.last_at)}")
    if summary.eta_s is not None:
        parts.append(f"ETA {duration(summary.eta_s)}")
    return ", ".join(filter(None, parts))


def _rate(summary: Summary) -> str:
    return f"{summary.rate:.3g} rows/s" if summary.rate else ""


def _clock(iso: str | None) -> str:
    return "?" if iso is None else iso.replace("T", " ")


def _latencies(summary: Summary) -> list[tuple[str, str]]:
    # By the clock of the service, which often has whole seconds; POSTs by our own.
    return [("run time", _spread(summary.run_s, "< 1 s")), ("POST time", _spread(summary.submit_s, "< 1 ms"))]


def _spread(quantiles: Quantiles | None, none: str) -> str:
    if quantiles is None:
        return ""
    return f"median {_seconds(quantiles.p50, none)}, p95 {_seconds(quantiles.p95, none)}"


def _seconds(value: float, none: str) -> str:
    if not value:
        return none
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _count(rows: int) -> str:
    return f"{rows:,} row" if rows == 1 else f"{rows:,} rows"


def _results(summary: Summary) -> str:
    """The result files, if they are there, and whether they are older than the figures."""
    if summary.result_files is ResultFiles.MISSING:
        return f"not written yet (batchrun export {shlex.quote(summary.folder)} writes them)"
    error_rows = summary.failed + summary.timed_out + summary.in_doubt
    names = f"{summary.folder}/{OUTPUTS}" + (
        f", {summary.folder}/{ERRORS} ({_count(error_rows)})" if error_rows else ""
    )
    if summary.result_files is ResultFiles.OLDER:
        names += f"; older than these figures (batchrun export {shlex.quote(summary.folder)} writes them anew)"
    return names
