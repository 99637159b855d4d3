"""The summary at the end of a command and of `status`."""

import shlex
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from batchrun.domain.filenames import ERRORS, OUTPUTS, SCORES
from batchrun.domain.measures import Quantiles
from batchrun.domain.pace_limits import POLLS_USED
from batchrun.domain.summary import ResultFiles, Summary
from batchrun.domain.workers import WorkerFigures
from batchrun.views.console import Terminal
from batchrun.views.next_step import next_line
from batchrun.views.number_format import count, duration, per_second, short_seconds
from batchrun.views.printable import on_one_line

MAX_EXAMPLE = 160
"""Characters of an error message that are shown."""

MAX_WORKERS = 8
"""Workers that are shown one by one."""

NAME_WIDTH = 11
"""The columns of the names at the beginning of the lines."""

MAX_WIDTH = 100
"""Lines on a terminal are no longer than this, as long lines are hard to read."""


def show_summary(summary: Summary, *, advice: bool = True, console: Console | None = None) -> None:
    """Print the figures of a job. With `advice`, also print why it stopped and the command to run next.

    A terminal gets lines folded at blanks, a file gets one line for each fact. `console`: default standard output.
    """
    console = console or Terminal(highlight=False)
    if not console.is_terminal:
        for line in summary_lines(summary, advice=advice):
            console.print(Text(line), soft_wrap=True)
        return
    console.print(_Folded(_lines(summary, advice=advice)))
    if advice and (text := next_line(summary)) is not None:
        console.print(Text(text, "bold"), soft_wrap=True)  # in one piece, so that it can be copied


def summary_lines(summary: Summary, *, advice: bool = True) -> list[str]:
    """The figures of a job as lines of plain text."""
    lines = [f"{name:<{NAME_WIDTH}}{text.plain}" for name, text in _lines(summary, advice=advice)]
    return lines + ([text] if advice and (text := next_line(summary)) is not None else [])


def watch_summaries(summaries: Iterator[Summary]) -> None:
    """Show each summary in place of the one before; in a file, one after the other."""
    console = Terminal(highlight=False)
    if not console.is_terminal:
        for summary in summaries:
            show_summary(summary, advice=summary.process is None)
            console.print()
        return
    last = None
    with Live(console=console, auto_refresh=False) as live:
        for summary in summaries:
            last = summary
            live.update(_Folded(_lines(summary, advice=summary.process is None)), refresh=True)
    if last is not None and (text := next_line(last)) is not None:
        console.print(Text(text, "bold"), soft_wrap=True)


class _Folded:
    """Lines with a name each, folded at blanks. Only what has no blank for a whole line is broken elsewhere."""

    def __init__(self, lines: list[tuple[str, Text]]) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(20, min(options.max_width, MAX_WIDTH) - NAME_WIDTH)
        for name, text in self._lines:
            for number, line in enumerate(text.wrap(console, width)):
                line.rstrip()
                yield Text.assemble(("" if number else name).ljust(NAME_WIDTH), line, no_wrap=True)


def _lines(summary: Summary, *, advice: bool) -> list[tuple[str, Text]]:
    lines: list[tuple[str, str | Text]] = [("job", _job(summary)), ("rows", _states(summary)), *_errors(summary)]
    lines += [("", unanswered(summary)), ("", _blocked(summary))]
    lines.append(("time", _time(summary)))
    lines += _workers(summary.workers)
    lines += [(name, text) for name, text in _durations(summary) if text]
    lines.append(("requests", _requests(summary)))
    lines += [("", text) for text in _obstacles(summary)]
    lines.append(("callbacks", _callbacks(summary)))
    lines.append(("tokens", _tokens(summary)))
    if summary.irregular_outputs:
        lines.append(("outputs", f"{summary.irregular_outputs:,} not strict JSON, kept as they could be read"))
    if summary.folder:
        lines.append(("results", _results(summary)))
    if advice and summary.reason:
        lines.append(("stopped", Text(on_one_line(summary.reason), "yellow")))
    return [(name, text if isinstance(text, Text) else Text(on_one_line(text))) for name, text in lines if text]


def unanswered(summary: Summary) -> str:
    """What a kill leaves open, and the next command decides."""
    if summary.process is not None or not summary.submitting:
        return ""
    rows = count(summary.submitting, "running row")
    return f"{rows} had no answer when the job was killed: in doubt at the next command, unless not sent yet"


def _workers(workers: Sequence[WorkerFigures]) -> list[tuple[str, str]]:
    """A line for each worker, or one for all if they are many."""
    if len(workers) > MAX_WORKERS:
        machines, in_flight = len({worker.host for worker in workers}), sum(worker.in_flight for worker in workers)
        return [("workers", f"{len(workers):,} on {count(machines, 'machine')}, {in_flight:,} in flight")]
    lines = [
        f"{one.id}: {one.in_flight:,} in flight, {one.submissions:,} sent (process {one.pid} on {one.host})"
        for one in workers
    ]
    return [("" if number else "workers", line) for number, line in enumerate(lines)]


def _blocked(summary: Summary) -> str:
    """Why the same command would submit nothing."""
    if not (doubts := summary.doubts_in_flight):
        return ""
    return f"{count(doubts, 'row')} without an answer: all of --max-in-flight is theirs until --run-timeout is over"


def _callbacks(summary: Summary) -> str:
    if (found := summary.callbacks) is None:
        return ""
    if not found.announced:
        return f"none for {count(found.ended, 'run')}: does --callback-url lead to --callback-listen?"
    return f"told the end of {found.announced:,} of {count(found.ended, 'run')}"


def _job(summary: Summary) -> str:
    job = summary.job
    simulated = " (simulated)" if job.get("simulate") else ""
    return f"{job.get('input', '?')}, workflow {job.get('workflow_id', '?')}{simulated}"


def _states(summary: Summary) -> Text:
    text = Text(f"{summary.rows:,}: ")
    parts = [("completed", summary.completed, "green"), ("failed", summary.failed, "red")]
    parts += [("timed out", summary.timed_out, "red"), ("in doubt", summary.in_doubt, "yellow")]
    parts += [("running", summary.running, "cyan"), ("queued", summary.queued, "cyan")]
    shown = [(f"{number:,} {name}", colour) for name, number, colour in parts if number or name == "completed"]
    for number, (part, colour) in enumerate(shown):
        text.append(", " if number else "")
        text.append(part, colour)
        if not number and summary.reused:
            text.append(f" ({summary.reused:,} reused)", "green")
    return text


def _errors(summary: Summary) -> list[tuple[str, str]]:
    """A line for each kind of error, with the message of one row."""
    counts = [(f"{number:,} {kind}", kind) for kind, number in summary.errors_by_kind.items() if number]
    width = max((len(text) for text, _ in counts), default=0)
    lines: list[tuple[str, str]] = []
    for text, kind in counts:
        example = on_one_line(summary.error_examples.get(kind, ""))
        shown = example if len(example) <= MAX_EXAMPLE else f"{example[:MAX_EXAMPLE]}…"
        line = f"{text:<{width}}  such as {shown}" if shown else text
        lines.append(("errors" if not lines else "", line))
    return lines


def _time(summary: Summary) -> str:
    """How long the last session took, and whether it runs, has ended, or was killed."""
    session = summary.session
    is_first = summary.elapsed_s <= session.elapsed_s
    lasted = f"{duration(session.elapsed_s)}{'' if is_first else ' this session'}" if session.elapsed_s else ""
    parts = [lasted, f"{per_second(summary.rate)} rows/s" if summary.rate else ""]
    if summary.process is not None:
        where = f"process {summary.process.pid} on {summary.process.host}".removesuffix(" on ")
        parts.append(f"running since {_clock(session.started_at)} ({where})")
    elif session.ended_at is not None:
        parts.append(f"ended {_clock(session.ended_at)} with exit code {summary.exit_code}")
    elif session.last_at is not None:
        parts.append(f"killed, crashed or quit after {_clock(session.last_at)}")
    if summary.eta_s is not None:
        parts.append(f"ETA {duration(summary.eta_s)}")
    return ", ".join(filter(None, parts))


def _clock(iso: str | None) -> str:
    return "?" if iso is None else iso.replace("T", " ")


def _durations(summary: Summary) -> list[tuple[str, str]]:
    # By the clock of the service, which often has whole seconds; the others by our own.
    return [
        ("run time", _spread(summary.run_s, "< 1 s", "at the service")),
        ("noticed", _spread(summary.lag_s, "< 1 ms", "after the end of the run")),
        ("waited", _spread(summary.wait_s, "0 s", "for the rate limit")),
        ("POST time", _spread(summary.submit_s, "< 1 ms", "until a submission was accepted")),
    ]


def _spread(quantiles: Quantiles | None, none: str, meaning: str) -> str:
    if quantiles is None:
        return ""
    values = (quantiles.p50, quantiles.p95, quantiles.p99)
    median, p95, p99 = (none if value == 0 else short_seconds(value) for value in values)
    return f"median {median}, p95 {p95}, p99 {p99} {meaning}"


def _requests(summary: Summary) -> str:
    text = f"{count(summary.submissions, 'submission')}"
    if (used := summary.submit_rate) is not None and summary.session.submissions:
        allowed = f"{used.option} {used.allowed_per_s:g}"
        if used.option == "--share-limits":
            allowed = f"its share of --share-limits, {per_second(used.allowed_per_s)}/s"
        text += f" at {100 * used.share:.0f} % of {allowed}"
    text += f", {count(summary.polls, 'poll')}"
    if (polls := summary.poll_rate) is not None and polls.share >= POLLS_USED:
        text += f" at {100 * polls.share:.0f} % of --poll-rps {polls.allowed_per_s:g}"
    return text + (f" ({summary.polls_per_row:.3g} a row)" if summary.polls_per_row else "")


def _obstacles(summary: Summary) -> list[str]:
    """Throttling and outages."""
    found, lines = summary.interruptions, []
    if summary.throttled:
        text = f"{summary.throttled:,} throttled (429)"
        if found.throttling_episodes:
            text += f", {count(found.throttling_episodes, 'cut')} of the rate"
        lines.append(text + (f", paused {short_seconds(found.paused_s)} in all" if found.paused_s >= 1 else ""))
    if found.outages:
        lines.append(f"{count(found.outages, 'outage')} of the service, {short_seconds(found.outage_s)} in all")
    return lines


def _tokens(summary: Summary) -> str:
    counts = [("in", summary.input_tokens), ("out", summary.output_tokens)]
    parts = ", ".join(f"{number:,} {name}" for name, number in counts if number is not None)
    if summary.total_tokens is None:
        return parts
    return f"{summary.total_tokens:,}" + (f" ({parts})" if parts else "")


def _results(summary: Summary) -> str:
    """The result files, if they are there, and whether they are older than the figures."""
    if summary.result_files is ResultFiles.MISSING:
        return f"not written yet (batchrun export {shlex.quote(summary.folder)} writes them)"
    error_rows = summary.failed + summary.timed_out + summary.in_doubt
    names = f"{summary.folder}/{OUTPUTS}"
    if error_rows:
        names += f", {summary.folder}/{ERRORS} ({count(error_rows, 'row')})"
    if summary.has_scores:
        names += f", {summary.folder}/{SCORES}"
    if summary.result_files is ResultFiles.OLDER:
        names += f"; older than these figures (batchrun export {shlex.quote(summary.folder)} writes them anew)"
    return names
