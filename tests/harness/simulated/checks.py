"""What must hold of a job that has ended, whatever its service did: the promises of the README, by number."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from batchrun.domain.circuit_breaker import FAILURES_TO_OPEN
from batchrun.domain.error_kinds import ErrorKind
from batchrun.domain.row import Row
from batchrun.domain.states import Event, State
from tests.harness.simulated.job import SimulatedJob
from tests.harness.simulated.service import REFUSED, Post, output_of

USELESS = {"html", "another_run", "anonymous", "twice", "unknown_status", "bare_500", "not_found_yet"}
CLEAR = FAILURES_TO_OPEN + 1
"""Rows that meet an outage one after the other, in one session, until it is clear that it is none of them: the
refusals up to there may be charged to rows that were refused before."""
NOT_CHARGED = {"throttled", "unauthorized"}


def violations(job: SimulatedJob) -> Iterator[str]:
    """A line for each promise that was broken."""
    yield from job.violations
    posts = defaultdict[int, list[Post]](list)
    for post in job.service.posts:
        posts[post.row].append(post)
    for number in range(job.plan.rows):
        row = job.checkpoint.rows.get(number)
        if row is None or row.state in {State.QUEUED, State.SUBMITTING, State.RUNNING}:
            if job.sessions[-1].result is not None and job.sessions[-1].result.finished:
                yield f"promise 1: row {number} is {row and row.state} at the end"
            continue
        yield from _submitted_again(job, number, posts[number])
        yield from _ended(job, row, posts[number])
    yield from _limits(job)


def _submitted_again(job: SimulatedJob, number: int, posts: Sequence[Post]) -> Iterator[str]:
    """Promise 2: no second POST without proof."""
    doubted = [event for row, event in job.checkpoint.history if row.row == number and event is Event.SETTLED]
    for before, after in pairwise(posts):
        may = before.outcome in REFUSED or (job.options.in_doubt == "resubmit" and doubted)
        failed = before.run is not None and before.run.fails and job.options.retry_failed_runs
        if not may and not failed:
            yield f"promise 2: row {number} was sent at {before.at:.3f} ({before.outcome}) and at {after.at:.3f}"


def _ended(job: SimulatedJob, row: Row, posts: Sequence[Post]) -> Iterator[str]:
    """Promises 1, 11, 13 and 14: a row ends as its own run did, or with a reason that is true."""
    number, plan, kind = row.row, job.plan, row.problem.kind if row.problem else None
    own = [post.run for post in posts if post.run is not None]
    outages = _outages(job)
    match row.state, kind:
        case State.COMPLETED, _:
            run = job.service.runs.get(row.run_id or "")
            if job.checkpoint.outputs.get(number) != f'{{"answer":"{output_of(number)}"}}':
                yield f"promise 14: row {number} has the output {job.checkpoint.outputs.get(number)}"
            if run is not None and run not in own:
                yield f"promise 14: row {number} has the run of row {run.row}"
            if all(one.fails for one in own):
                yield f"promise 14: row {number} completed, and its run failed"
        case State.FAILED, ErrorKind.REJECTED:
            if number not in plan.rejected:
                yield f"promise 11: row {number} is rejected, and the service never did"
        case State.FAILED, ErrorKind.RUN_FAILED:
            if not any(run.fails for run in own):
                yield f"promise 13: row {number} failed, and its run did not"
        case State.FAILED, ErrorKind.EXHAUSTED:
            charged = [post for post in posts if post.outcome not in NOT_CHARGED]
            charged = [post for post in charged if post.outcome == "unknown" or post.at not in outages]
            if len(charged) <= job.options.retries:
                yield f"promise 11: row {number} is exhausted after {len(charged)} refusals of its own"
        case (State.IN_DOUBT, _) | (State.FAILED, ErrorKind.IN_DOUBT):
            was_killed = job.loses_workers or any(one.result is None or one.result.stop for one in job.sessions)
            clear = all(post.outcome in REFUSED | {"accepted"} for post in posts)
            if clear and not was_killed and not any(post.outcome == "foreign" for post in job.service.posts):
                yield f"promise 2: row {number} is in doubt, and every answer was clear"
        case State.TIMED_OUT, _:
            if not _may_time_out(job, row, posts):
                yield f"promise 13: row {number} timed out ({row.problem and row.problem.message})"
        case _:
            yield f"promise 13: row {number} ended as {row.state} {kind}: {row.problem and row.problem.message}"


def _outages(job: SimulatedJob) -> set[float]:
    """The times of the POSTs that met an outage which can be told from refusals of some rows."""

    if job.options.synchronous:
        return set()  # a run that began before the outage may end in the middle of it, and seem to end it

    def session(post: Post) -> int:
        return sum(ending.ended < post.at for ending in job.sessions)

    groups = (list(group) for _, group in groupby(job.service.posts, lambda post: (post.in_outage, session(post))))
    refused = {post.row for post in job.service.posts if post.outcome in {"refused", "busy"} and not post.in_outage}
    clear = (group for group in groups if group[0].in_outage and len({post.row for post in group} - refused) >= CLEAR)
    return {post.at for group in clear for post in group[CLEAR - 1 :]}


def _may_time_out(job: SimulatedJob, row: Row, posts: Sequence[Post]) -> bool:
    plan = job.plan
    known = job.service.runs.get(row.run_id or "")
    return (
        row.row in plan.stuck | plan.unpollable
        or any(post.outcome in {"foreign", "unknown"} for post in posts)
        or known is None
        or known.row != row.row
        or plan.duration[1] + 60 > job.options.run_timeout
        or any(plan.jumps)  # the wall clock measures a run over sessions
        or sum(share for name, share in plan.poll_faults.items() if name in USELESS) > 0
        or bool(plan.outages)
        or job.options.poll_rps * job.options.run_timeout < 4 * plan.rows * 60
    )


def _limits(job: SimulatedJob) -> Iterator[str]:
    """Promises 3 and 8."""
    options, service = job.options, job.service
    sent = [post.at for post in service.posts]
    polled = [at for at, _ in service.polls]
    yield from _rate("POSTs", sent, options.rps)
    yield from _rate("polls", polled, options.poll_rps)
    if options.total_rps is not None:
        yield from _rate("requests", sorted(sent + polled), options.total_rps)
    for method, asked_at, at, wait in service.asked_to_wait:
        times = sent if method == "POST" else polled
        ended = next((one.ended for one in job.sessions if one.began <= asked_at <= one.ended), at)
        early = [time for time in times if at + job.reaction + 1e-6 < time < min(at + wait - 1e-6, ended)]
        if early:
            yield f"promise 8: asked at {at:.3f} to wait {wait:g} s, sent {method} at {early[0]:.3f}"
    for before, ending in pairwise(job.sessions):
        if before.result is None and ending.found_in_doubt > options.connections:
            yield f"promise 3: {ending.found_in_doubt} rows in doubt by one kill"
    for ending in job.sessions:
        if ending.most_open > options.connections and not job.cuts_workers:
            yield f"promise 10: {ending.most_open} requests at one time"


def _rate(name: str, times: Sequence[float], rate: float) -> Iterator[str]:
    count, seconds = (int(rate), 1.0) if rate >= 1 else (1, 1 / rate)
    for first, last in zip(times, times[count:], strict=False):
        if last - first < seconds - 1e-6:
            yield f"promise 8: {count + 1} {name} within {last - first:.4f} s, {rate:g}/s allowed"
            return
