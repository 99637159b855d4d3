"""What a report says at its top, in plain words: how long, why, what failed, what it cost, and what to run next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from batchrun.domain.error_kinds import ErrorKind
from batchrun.domain.pace_limits import PaceLimit
from batchrun.domain.workers import WorkerFigures
from batchrun.errors import ExitCode
from batchrun.views.closing_summary import MAX_WORKERS, unanswered
from batchrun.views.number_format import count, duration, percentages
from batchrun.views.report.formats import seconds, smallest_run, when
from batchrun.views.report.model import JobReport, ended_rows

KINDS = {
    ErrorKind.INPUT: "could not be sent, because of its input",
    ErrorKind.REJECTED: "was refused by the service for good",
    ErrorKind.RUN_FAILED: "was accepted, and its run failed",
    ErrorKind.INTERRUPTED: "waits for a person at the service",
    ErrorKind.EXHAUSTED: "was refused until its attempts were used up",
    ErrorKind.LOST: "was accepted, and the service no longer knows its run",
    ErrorKind.IN_DOUBT: "was sent, and nothing proves whether the service accepted it",
    ErrorKind.TIMEOUT: "was accepted, and its run did not end in time",
    ErrorKind.UNKNOWN_STATUS: "did not end in time, and its status is not one that batchrun knows",
}
"""What became of a row with an error of this kind."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One question with its answer, in one or more sentences. `command`: to be copied."""

    question: str
    sentences: Sequence[str]
    command: str | None = None


def answers(job: JobReport) -> list[Answer]:
    """The questions that everyone asks about a job."""
    command = job.next_command
    return [
        Answer("How far is it?", list(_state(job))),
        Answer("How long did it take, and why?", list(_time(job))),
        Answer("What failed, and why?", list(_failures(job))),
        Answer("What did it cost?", list(_cost(job))),
        Answer("What to run next?", [_next(command, job.advice, is_compared=len(job.sweep.variants) > 1)], command),
    ]


def _next(command: str | None, advice: str | None, *, is_compared: bool) -> str:
    if command is None:
        return "Nothing is left to run." if advice is None else advice.partition(": ")[2]
    if command.endswith("--in-doubt resubmit"):
        return (
            "This command submits the rows in doubt again, for which you may pay twice. "
            "With --in-doubt fail instead, rows in doubt become failed rows and are not sent."
        )
    if command.startswith("batchrun retry"):
        again = "This command submits the rows with errors again. Leave it if the errors would be the same"
        return f"{again}, or if they are the answer: it changes the comparison." if is_compared else f"{again}."
    if command.startswith("batchrun resume"):
        return "This command goes on where the last one stopped. Finished rows are kept."
    return "This command shows the progress."


def _state(job: JobReport) -> Iterator[str]:
    summary, sweep = job.summary, job.sweep
    open_rows = summary.running + summary.queued
    session = summary.session
    if summary.process is not None:
        yield f"It is running now: {summary.completed:,} of {count(summary.rows, 'row')} completed so far."
        if summary.eta_s is not None:
            yield f"About {duration(summary.eta_s)} are left."
    elif not open_rows and summary.completed == summary.rows:
        yield f"It is finished: all {count(summary.rows, 'row')} completed."
    elif not open_rows:
        yield f"It is finished: {summary.completed:,} of {count(summary.rows, 'row')} completed."
    elif session.ended_at is None and session.last_at is not None:
        at = session.last_at.replace("T", " ").replace("Z", " UTC")
        yield f"It was killed, crashed or quit after {at}: {summary.completed:,} of {summary.rows:,} completed."
    else:
        yield f"It stopped before its end: {summary.completed:,} of {count(summary.rows, 'row')} completed."
    if summary.reason and summary.process is None:
        yield f"Why it stopped: {summary.reason}."
    began = f"It began at {when(job.sessions[0].started_at)}" if job.sessions else ""
    if began and job.rows.last_row is not None:
        last = sweep.row_name(job.rows.last_row)
        yield f"{began}; the last row to end, {last}, ended at {when(job.rows.last_row_at)}."
    elif began:
        yield f"{began}."
    parts = [(summary.failed, "failed"), (summary.timed_out, "timed out"), (summary.in_doubt, "in doubt")]
    parts += [(summary.running, "running"), (summary.queued, "queued")]
    if rest := [f"{rows:,} {name}" for rows, name in parts if rows]:
        yield f"The others: {', '.join(rest)}."
    if not sweep.is_plain and summary.rows % sweep.size == 0:
        inputs, variants = count(summary.rows // sweep.size, "row"), count(len(sweep.variants), "variant")
        repeats = "" if sweep.repeats == 1 else f", each {sweep.repeats} times"
        yield f"It is a sweep: {inputs} of the input under {variants}{repeats}."
    if summary.reused:
        yield f"{count(summary.reused, 'result')} came from an earlier job."
    if summary.exit_code is not None:
        yield f"The last command ended with exit code {summary.exit_code}{_meaning(summary.exit_code)}."


def _meaning(code: int) -> str:
    meanings = {
        ExitCode.OK: "every row completed",
        ExitCode.ROW_ERRORS: "finished, and some rows have errors",
        ExitCode.STOPPED: "stopped early; can be resumed",
        ExitCode.TRY_AGAIN: "not finished; run the same command again",
        ExitCode.STORAGE: "a file could not be read or written",
    }
    known = {int(key): text for key, text in meanings.items()}
    return f" ({known[code]})" if code in known else ""


def _workers(workers: Sequence[WorkerFigures]) -> str:
    machines = count(len({worker.host for worker in workers}), "machine")
    sent = ", ".join(f"{worker.id} {worker.submissions:,}" for worker in workers[:MAX_WORKERS])
    more = f" and {len(workers) - MAX_WORKERS:,} more" if len(workers) > MAX_WORKERS else ""
    lost = [worker.id for worker in workers if worker.is_lost]
    died = f" Lost on the way: {', '.join(lost)}." if lost else ""
    return f"The last command ran on {count(len(workers), 'worker')} on {machines}, which sent: {sent}{more}.{died}"


def _time(job: JobReport) -> Iterator[str]:
    summary = job.summary
    commands = count(len(job.sessions), "command")
    yield f"{duration(summary.elapsed_s)} of work in {commands}."
    if job.workers:
        yield _workers(job.workers)
    if summary.rate:
        yield f"{'' if len(job.sessions) == 1 else 'In the last one '}{summary.rate:.3g} rows ended per second."
    if not sum(job.limited.values()):
        yield "What limited it is not known: it was run by an earlier version of batchrun, or too short."
        return
    intro = "What set the pace for"
    for limit, share in zip(job.limited, percentages(list(job.limited.values())), strict=True):
        if share:
            yield f"{intro} {share}% of the time: {_limits(job)[limit]}."
            intro = "For"
    run = job.rows.run
    if run.n:
        clock = "by the service's clock" if job.rows.by_service else "from acceptance until we saw the end"
        p50, p95 = (seconds(run.quantile(share), smallest_run(job)) for share in (0.5, 0.95))
        yield f"A run took {p50} in the median and {p95} at the 95th percentile, {clock}."
    if job.rows.lag.n:
        p50, p95 = (seconds(job.rows.lag.quantile(share), smallest_run(job)) for share in (0.5, 0.95))
        yield f"Its end was noticed {p50} later in the median, and {p95} later at the 95th percentile."


def _limits(job: JobReport) -> dict[PaceLimit, str]:
    is_own = job.summary.throttled or job.share_limits is None
    others = "" if is_own else f" to another job with --share-limits {job.share_limits}"
    return {
        PaceLimit.OUTAGE: "the service was unavailable",
        PaceLimit.QUOTA: f"the service's quota; it answered 429{others}, so submissions were paused and slowed",
        PaceLimit.SHARE: f"this job's share of --rps {job.rps:g}, which --share-limits {job.share_limits} divides",
        PaceLimit.IN_FLIGHT: f"as many runs were in flight as --max-in-flight {job.max_in_flight:,} allows",
        PaceLimit.TOTAL: f"the rate of submissions and polls together, --total-rps {job.total_rps or 0:g}",
        PaceLimit.RPS: f"the rate of submissions, --rps {job.rps:g}",
        PaceLimit.POLLS: f"the rate of polls, --poll-rps {job.poll_rps:g}; ends of runs were found late",
        PaceLimit.LAST_RUNS: "nothing more was submitted; it waited until the last runs were known to have ended",
        PaceLimit.RUNS: "no limit was reached; it waited for runs to end",
        PaceLimit.OTHER: "no limit was reached; the start, and waiting for the answers to submissions, took the time",
    }


def _failures(job: JobReport) -> Iterator[str]:
    summary = job.summary
    if left := unanswered(summary):
        yield f"{left}."
    if not any(summary.errors_by_kind.values()):
        yield f"Nothing{' so far' if left else ''}: no failed, timed-out or in-doubt rows."
        return
    for kind in sorted(summary.errors_by_kind, key=lambda one: -summary.errors_by_kind[one]):
        rows = summary.errors_by_kind[kind]
        if not rows:
            continue
        groups = [group for group in job.rows.errors if group.kind == kind]
        if groups:
            name = job.sweep.row_name(groups[0].row)
            where = name.replace("row", "Row", 1) if rows == 1 else f"Most often, as in {name}"
            example = f" {where}: “{_cut(groups[0].message)}”"
        else:
            example = ""
        yield f"{count(rows, 'row')} {kind}: {'it' if rows == 1 else 'each'} {KINDS[ErrorKind(kind)]}.{example}"


def _cut(text: str, most: int = 200) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _cost(job: JobReport) -> Iterator[str]:
    summary = job.summary
    per_row = f" ({summary.submissions / ended:.3g} a row that ended)" if (ended := ended_rows(summary)) else ""
    yield f"{count(summary.submissions, 'submission')}{per_row} and {count(summary.polls, 'poll')}."
    if runs := sum(job.rows.polls.values()):
        polls = sum(number * times for number, times in job.rows.polls.items())
        yield f"Polls of a completed run: {polls / runs:.3g} on average."
    if summary.throttled:
        yield f"{count(summary.throttled, 'request')} got the answer 429; these cost no attempt."
    tokens = [("in", summary.input_tokens), ("out", summary.output_tokens)]
    parts = ", ".join(f"{number:,} {name}" for name, number in tokens if number is not None)
    if summary.total_tokens is not None:
        yield f"{summary.total_tokens:,} tokens{f' ({parts})' if parts else ''}."
    elif parts:
        yield f"Tokens: {parts}."
    else:
        yield "The service reported no tokens."
