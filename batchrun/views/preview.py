"""Output of `check` and `--dry-run`."""

from rich.text import Text

from batchrun.domain.estimate import Estimate
from batchrun.domain.name_list import name_list
from batchrun.domain.preview import Preview, Unsendable
from batchrun.domain.workflow_info import WorkflowInfo
from batchrun.views.console import Terminal
from batchrun.views.number_format import count, duration, short_seconds
from batchrun.views.printable import printable

MAX_BODY = 1500
"""Largest number of characters of a request body to show."""

MAX_NAMES = 12
"""Largest number of input names to show."""


def show_check(preview: Preview, warnings: int = 0) -> None:
    """Print the result of the check, with the rows that cannot be sent. `warnings`: how many were printed before."""
    api = f" (--api {preview.api})" if preview.api else ""
    lines: list[tuple[str, str | Text]] = [
        ("input", f"{preview.input}: {count(preview.rows, 'row')}, {count(len(preview.columns), 'column')}"),
        ("sends", f"{_inputs(preview)} to workflow {preview.workflow_id} at {preview.service}{api}"),
        ("directory", f"{preview.folder}: {_directory(preview)}"),
    ]
    if preview.time_limits:
        limits = (f"{option} {_time(seconds)}" for option, seconds in preview.time_limits.items())
        lines.append(("limits", ", ".join(limits)))
    if preview.workflow is not None:
        lines.insert(2, ("workflow", _workflow(preview.workflow)))
    if preview.is_sweep:
        lines.insert(1, ("sweep", _sweep(preview)))
        lines += _estimates(preview)
    if preview.sample_seed is not None:
        drawn = f"{count(preview.input_rows, 'row')}, drawn here with --seed {preview.sample_seed}"
        lines.append(("sample", f"{drawn}; add that to run the same ones"))
    if preview.reused:
        lines.append(("reused", f"{count(preview.reused, 'row')} are taken over from earlier jobs, as they are there"))
    if preview.note is not None:
        lines.append(("note", Text(preview.note, "yellow")))
    if preview.unsendable_rows:
        lines.append(("will fail", Text(f"{count(preview.unsendable_rows, 'row')} that cannot be sent:", "yellow")))
        lines += [("", f"{_place(preview.input, row)}: {printable(row.reason)}") for row in preview.unsendable]
        if (more := preview.unsendable_rows - len(preview.unsendable)) > 0:
            lines.append(("", f"and {more:,} more"))
    if result := _result(preview, warnings):
        lines.append(("result", result))
    _print(lines)


def _result(preview: Preview, warnings: int) -> Text | str:
    """Whether something is wrong, or may be. Empty if the rows that cannot be sent, told before, are all there is."""
    parts = [f"{count(warnings, 'warning')}, see above"] if warnings else []
    if not parts and not preview.unsendable_rows:
        parts.append("no problems found" if preview.note is None else "no other problems found")
    if preview.unchecked is not None:
        parts.append(f"not checked: {preview.unchecked}")
    return Text(printable("; ".join(parts)), "yellow" if warnings or preview.unchecked else "green") if parts else ""


def show_plan(preview: Preview) -> None:
    """Print the first requests and the estimate."""
    lines: list[tuple[str, str | Text]] = [
        (f"request {number}", _cut(body)) for number, body in enumerate(preview.bodies, 1)
    ]
    lines += [] if preview.is_sweep else _estimates(preview)  # it was told above
    lines.append(("", "not counting retries, throttling, request time, and runs that take longer"))
    lines.append(("dry run", "no run was started, and nothing was written"))
    _print(lines)


def _estimates(preview: Preview) -> list[tuple[str, str | Text]]:
    if preview.run_s_known is not None:
        return [("estimate", _estimate(estimate, preview.run_s_known)) for estimate in preview.estimates]
    unknown = ("estimate", "the duration of a run is unknown:")
    return [unknown, *(("", _estimate(estimate, "")) for estimate in preview.estimates)]


def _sweep(preview: Preview) -> str:
    names = preview.variants[:MAX_NAMES]
    more = f" and {len(preview.variants) - MAX_NAMES:,} more" if len(preview.variants) > MAX_NAMES else ""
    variants = f" × {count(len(preview.variants), 'variant')} ({'; '.join(names)}{more})" if names else ""
    repeats = f" × {count(preview.repeats, 'repeat')}" if preview.repeats > 1 else ""
    return f"{count(preview.input_rows, 'row')}{variants}{repeats} = {count(preview.product, 'row')}"


def _place(path: str, row: Unsendable) -> str:
    return f"row {row.row}" if row.line is None else f"{path}, line {row.line} (row {row.row})"


def _inputs(preview: Preview) -> str:
    names = [*preview.sent, *preview.constants]
    shown = name_list(names[:MAX_NAMES]) + (f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else "")
    return f"{count(len(names), 'input')} ({shown})"


def _workflow(workflow: WorkflowInfo) -> str:
    head = [workflow.name or "(without a name)"] + ([f"version {workflow.version}"] if workflow.version else [])
    if workflow.inputs is None:
        return ", ".join(head)
    inputs = [f"{name} ({one.type}{', required' if one.required else ''})" for name, one in workflow.inputs.items()]
    more = f" and {len(inputs) - MAX_NAMES:,} more" if len(inputs) > MAX_NAMES else ""
    return f"{', '.join(head)}; declares {', '.join(inputs[:MAX_NAMES]) or 'no inputs'}{more}"


def _directory(preview: Preview) -> str:
    if not preview.began:
        return "a new job" + (
            "; the one there, of which nothing was accepted, is set aside" if preview.replaces else ""
        )
    return f"holds this job, {preview.left:,} rows are still to be submitted"


def _time(seconds: float) -> str:
    return short_seconds(seconds) if 0 < seconds < 1 else duration(seconds)


def _estimate(estimate: Estimate, source: str) -> str:
    takes = _time(estimate.run_s)
    what = f"a run takes {takes}{', ' if source else ''}{source}"
    calls = f"{count(estimate.submissions, 'submission')}, {count(estimate.polls, 'poll')}"
    limit = f"; limited by {estimate.bound_by or 'the duration of a run'}" if estimate.submissions else ""
    return f"if {what}: {calls}, {duration(estimate.seconds)}{limit}"


def _cut(body: str) -> str:
    return body if len(body) <= MAX_BODY else f"{body[:MAX_BODY]}… ({len(body):,} characters)"


def _print(lines: list[tuple[str, str | Text]]) -> None:
    console = Terminal(highlight=False)
    for name, text in lines:
        console.print(Text(f"{name:<10}", "dim") + _printable(text), soft_wrap=True)


def _printable(text: str | Text) -> Text:
    """The text with names of columns and of the workflow made safe to print."""
    return Text(printable(text)) if isinstance(text, str) else Text(printable(text.plain), text.style)
