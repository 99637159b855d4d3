"""The summary at the end of a command, and the command to run next."""

import re
import shlex

from rich.text import Text

from batchrun.domain.filenames import ERRORS, OUTPUTS
from batchrun.domain.summary import Quantiles, Summary
from batchrun.errors import ExitCode
from batchrun.views.console import Terminal
from batchrun.views.number_format import duration

RESUBMIT = " --in-doubt resubmit"


def next_command(summary: Summary) -> str | None:
    """The command to run next, or None if nothing is left to do."""
    dash = "./" if summary.folder.startswith("-") else ""  # otherwise it is parsed as an option
    folder = shlex.quote(dash + summary.folder)
    if summary.queued or summary.running or summary.exit_code not in {ExitCode.OK, ExitCode.ROW_ERRORS, None}:
        api = re.search(r"\buse (--api \w+)", summary.reason or "")  # the advice of a job that met another API
        return f"batchrun resume {folder}" + (f" {api[1]}" if api else "")
    if summary.in_doubt:
        return f"batchrun retry {folder}{RESUBMIT}"
    return f"batchrun retry {folder}" if summary.failed or summary.timed_out else None


def show_summary(summary: Summary, *, advice: bool = True) -> None:
    """Print the figures of a job. With `advice`, also print why it stopped and the command to run next."""
    lines: list[tuple[str, str | Text]] = [("rows", _states(summary))]
    if summary.errors_by_kind:
        lines.append(("errors", ", ".join(f"{count:,} {kind}" for kind, count in summary.errors_by_kind.items())))
    lines.append(("requests", _requests(summary)))
    if tokens := _tokens(summary):
        lines.append(("tokens", tokens))
    if summary.irregular_outputs:
        lines.append(("outputs", f"{summary.irregular_outputs:,} not strict JSON, kept as they could be read"))
    if timing := _timing(summary):
        lines.append(("pace", timing))
    lines.append(("results", f"{summary.folder}/{OUTPUTS}" + _and_errors(summary)))
    if advice and summary.reason:
        lines.append(("stopped", Text(summary.reason, "yellow")))
    if advice and (command := next_command(summary)):
        choice = f"   (or fail; see {ERRORS} first)" if command.endswith(RESUBMIT) else ""
        lines.append(("next", Text(command, "bold").append(choice, "not bold")))
    console = Terminal(highlight=False)
    for name, text in lines:
        console.print(Text(f"{name:<10}", "dim") + Text.assemble(text), soft_wrap=True)


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


def _requests(summary: Summary) -> str:
    text = f"{summary.submissions:,} submissions, {summary.polls:,} polls"
    return text + (f", {summary.throttled:,} throttled" if summary.throttled else "")


def _tokens(summary: Summary) -> str:
    counts = [("in", summary.input_tokens), ("out", summary.output_tokens)]
    parts = ", ".join(f"{count:,} {name}" for name, count in counts if count is not None)
    if summary.total_tokens is None:
        return parts
    return f"{summary.total_tokens:,}" + (f" ({parts})" if parts else "")


def _timing(summary: Summary) -> str:
    parts = [f"{duration(summary.session.elapsed_s)} this session"] if summary.session.elapsed_s else []
    if summary.rate:
        parts.append(f"{summary.rate:.1f} rows/s")
    if summary.eta_s is not None:
        parts.append(f"ETA {duration(summary.eta_s)}")
    parts += [f"{name} {_spread(quantiles)}" for name, quantiles in _latencies(summary) if quantiles]
    return ", ".join(parts)


def _latencies(summary: Summary) -> list[tuple[str, Quantiles | None]]:
    return [("a run takes", summary.run_s), ("an accepted POST", summary.submit_s)]


def _spread(quantiles: Quantiles) -> str:
    return f"{_seconds(quantiles.p50)} (95 %: {_seconds(quantiles.p95)})"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _and_errors(summary: Summary) -> str:
    error_rows = summary.failed + summary.timed_out + summary.in_doubt
    return f", {summary.folder}/{ERRORS} ({error_rows:,} rows)" if error_rows else ""
