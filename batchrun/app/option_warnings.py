"""Warnings about options that are valid but probably do not do what the user expects."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from batchrun.adapters.tables import Table, unread_in
from batchrun.dialects import AUTO
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.input_formats import format_of
from batchrun.job import Job
from batchrun.simulator.workflows import WORKFLOWS

MAX_NAMED = 10
"""Most files to name in a warning."""


def option_warnings(job: Job) -> Iterator[str]:
    """Warnings that follow from the options alone, one line each."""
    input_format = format_of(job.input, job.format)
    if input_format is not None and not input_format.is_text and job.encoding.lower() not in {"utf-8", "utf8"}:
        yield f"--encoding has no effect: {job.input} is {input_format.name}, not text"
    if input_format is not None and input_format.delimiter is None and job.delimiter is not None:
        yield f"--delimiter has no effect: {job.input} is {input_format.name}, not delimited text"
    if job.simulate and (meant := get_close_matches(job.workflow_id, WORKFLOWS, 1, 0.7)) and meant != [job.workflow_id]:
        yield f"the simulator knows no workflow {job.workflow_id!r} and answers as echo; did you mean {meant[0]}?"
    if job.retry_failed_runs and job.retries == 0:
        yield "--retry-failed-runs has no effect with --retries 0: no row is submitted again"
    if job.synchronous and job.callback_url is not None:
        yield "--callback-url has no effect on rows that are sent with --mode sync: their answer is the result"
    if job.poll_initial > job.run_timeout and not job.synchronous:
        yield (
            f"--run-timeout {job.run_timeout:g} ends before the first poll (--poll-initial {job.poll_initial:g}): "
            "most runs will count as timed out"
        )
    if job.max_tokens is not None and job.api != AUTO and not job.dialect.tells_details:
        yield f"--max-tokens has no effect: the answers of --api {job.api} report no tokens"
    for name in {"workflow_id", "workflow_version"} & set(job.vary):
        option = name.replace("_", "-")
        yield f"--vary {name} varies an input of the workflow; to vary the workflow itself, write --vary {option}=…"
    if job.skip and job.param:
        yield "--skip has no effect together with --param: only the columns that --param names are sent"
    if job.file_root is not None and not job.file:
        yield "--file-root has no effect without --file COLUMN"
    _, percent = job.failures_allowed
    if percent is not None and percent >= 100:
        yield f"--max-failures {job.max_failures} sets no limit: no more than 100% of the rows can fail"


def _header_warnings(job: Job, columns: Sequence[str]) -> Iterator[str]:
    if values := [name for name in columns if _is_number(name)]:
        yield (
            f"{job.input}: the first line names the columns, and {values[0]!r} does not look like a name. "
            "If the file has no header, add one"
        )
    if padded := [name for name in columns if name != name.strip()]:
        yield (
            f"{job.input}: blanks belong to the name of a column: {', '.join(map(repr, padded[:MAX_NAMED]))}. "
            f"To send it without them: --rename {padded[0].strip() or 'NAME'}={padded[0]!r}"
        )


def row_warnings(job: Job, rows: int, mapping: ColumnMapping | None) -> Iterator[str]:
    """Warnings that follow from the number of rows, and from what of a row is sent."""
    if not rows:
        yield f"{job.input}: has no rows, so nothing is sent"
    elif mapping is not None and not mapping.sent:
        yield "no column is sent, so that every row gets the same request: see --param and --skip"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def column_warnings(job: Job, table: Table) -> Iterator[str]:
    """Warnings that follow from the input."""
    if unread := unread_in(table.path):
        more = f" and {len(unread) - MAX_NAMED:,} more" if len(unread) > MAX_NAMED else ""
        yield (
            f"{job.input}: these are not read: {', '.join(unread[:MAX_NAMED])}{more}. The input is the files *.parquet "
            "of the folder, without its subfolders and without names that begin with . or _"
        )
    input_format = format_of(job.input, job.format)
    if input_format is not None and input_format.delimiter is not None:
        yield from _header_warnings(job, table.columns)
    if input_format is not None and input_format.delimiter is not None and len(table.columns) == 1:
        (name,) = table.columns
        delimiter = next((char for char in ";\t|," if char in name), None)
        if delimiter is not None:
            shown = "'\\t'" if delimiter == "\t" else f"'{delimiter}'"
            yield f"{job.input} has only one column, {name!r}: is its delimiter another one? Try --delimiter {shown}"
