"""The states of a row, and the table of transitions between them.

A row is always in exactly one state. Everything that happens to it is an event, and the table lists the states to which
each event may lead. An event that is not in the table is illegal: it raises and changes nothing. Two places enforce the
table: the engine through `domain.row.decide`, and the checkpoint through a trigger that is generated from the table.
The trigger makes sure that not even a bug can return a paid run to `queued`.

A POST is sent only from `queued`, and `submit_started` is durable before the first byte leaves. If a row is found
`submitting` after a crash, the marks of the session that was killed may show that its POST was not sent (`refunded`),
or what was answered. Otherwise nothing shows whether the service accepted it, so it becomes `in_doubt`. From
`in_doubt`, only `settled`, a decision by the user, can lead to another POST. `accepted` brings the `run_id`. From then
on the row is polled and not submitted again, unless its run fails and the user wants failed runs retried.
If the service answers a POST only when the run has ended (`--mode sync`), the row goes from `submitting` directly to
its final state, by the same two events that follow from a poll.
Three events bypass all of this, for a row that an earlier job has sent with the same key and inputs (`--reuse`):
`reused` completes it with that result, `adopted` lets this job poll that run, and `held` puts it in doubt as it is in
that job. They happen to a `queued` row only, because it has no run of its own at the service.

Two cells of `queued` are for late verdicts. After a refusal the row is `queued` immediately; whether the row or an
outage was at fault shows only in the answers to other rows (`domain.fault_attribution`).
A row that is not in the checkpoint is `queued`.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from batchrun.errors import IllegalTransitionError


class State(StrEnum):
    """The state of a row. The service's statuses pending and running are one state here, `running`."""

    QUEUED = "queued"
    """Waits to be submitted."""
    SUBMITTING = "submitting"
    """Its POST is about to be sent, or has not been answered yet."""
    RUNNING = "running"
    """The service accepted it, and its run has not ended."""
    COMPLETED = "completed"
    """Its run completed, and the output is recorded."""
    FAILED = "failed"
    """It will not be completed unless it is retried."""
    TIMED_OUT = "timed_out"
    """Its run did not end in time."""
    IN_DOUBT = "in_doubt"
    """It was sent, by this job or an earlier one, and its outcome is not known here."""


class Event(StrEnum):
    """What can happen to a row. `domain.events` describes each event."""

    CANNOT_BE_SENT = "cannot_be_sent"
    SUBMIT_STARTED = "submit_started"
    ACCEPTED = "accepted"
    REFUSED_FOR_NOW = "refused_for_now"
    REFUSED_FOR_GOOD = "refused_for_good"
    REFUNDED = "refunded"
    UNCONFIRMED = "unconfirmed"
    RUN_COMPLETED = "run_completed"
    RUN_FAILED = "run_failed"
    STILL_RUNNING = "still_running"
    GONE = "gone"
    DEADLINE = "deadline"
    FOUND_AFTER_RESTART = "found_after_restart"
    SETTLED = "settled"
    REUSED = "reused"
    ADOPTED = "adopted"
    HELD = "held"


S, E = State, Event

TABLE: Mapping[State, Mapping[Event, tuple[State, ...]]] = {
    S.QUEUED: {
        E.CANNOT_BE_SENT: (S.FAILED,),
        E.SUBMIT_STARTED: (S.SUBMITTING,),
        E.REFUSED_FOR_GOOD: (S.FAILED,),  # late verdict: the row was at fault
        E.REFUNDED: (S.QUEUED,),  # late verdict: the row was not at fault, the attempt is refunded
        E.FOUND_AFTER_RESTART: (S.QUEUED,),
        E.REUSED: (S.COMPLETED,),
        E.ADOPTED: (S.RUNNING,),
        E.HELD: (S.IN_DOUBT,),
    },
    S.SUBMITTING: {
        E.ACCEPTED: (S.RUNNING,),
        E.REFUSED_FOR_NOW: (S.QUEUED,),
        E.REFUSED_FOR_GOOD: (S.FAILED,),
        E.REFUNDED: (S.QUEUED,),
        E.UNCONFIRMED: (S.IN_DOUBT,),
        E.RUN_COMPLETED: (S.COMPLETED,),
        E.RUN_FAILED: (S.FAILED, S.QUEUED),
        E.FOUND_AFTER_RESTART: (S.IN_DOUBT,),
    },
    S.RUNNING: {
        E.RUN_COMPLETED: (S.COMPLETED,),
        E.RUN_FAILED: (S.FAILED, S.QUEUED),
        E.STILL_RUNNING: (S.RUNNING,),
        E.GONE: (S.FAILED,),
        E.DEADLINE: (S.TIMED_OUT,),
        E.FOUND_AFTER_RESTART: (S.RUNNING,),
    },
    S.IN_DOUBT: {
        E.ACCEPTED: (S.RUNNING,),
        E.RUN_COMPLETED: (S.COMPLETED,),
        E.RUN_FAILED: (S.FAILED,),
        E.FOUND_AFTER_RESTART: (S.IN_DOUBT,),
        E.SETTLED: (S.QUEUED, S.FAILED),
    },
    S.TIMED_OUT: {
        E.RUN_COMPLETED: (S.COMPLETED,),
        E.RUN_FAILED: (S.FAILED,),
        E.STILL_RUNNING: (S.TIMED_OUT,),
        E.GONE: (S.FAILED,),
        E.FOUND_AFTER_RESTART: (S.TIMED_OUT,),
        E.SETTLED: (S.QUEUED,),
    },
    S.COMPLETED: {
        E.RUN_COMPLETED: (S.COMPLETED,),
        E.RUN_FAILED: (S.COMPLETED,),
        E.FOUND_AFTER_RESTART: (S.COMPLETED,),
    },
    S.FAILED: {
        E.RUN_COMPLETED: (S.FAILED,),
        E.RUN_FAILED: (S.FAILED,),
        E.FOUND_AFTER_RESTART: (S.FAILED,),
        E.SETTLED: (S.QUEUED,),
    },
}

ENDED = frozenset({S.COMPLETED, S.FAILED, S.TIMED_OUT})
"""States in which this command has nothing more to do for a row."""

OUTPUT_STATES = frozenset({S.COMPLETED})
ERROR_STATES = frozenset({S.FAILED, S.TIMED_OUT, S.IN_DOUBT})
"""The states of the rows in `outputs.parquet` and in `errors.parquet`, respectively."""


def next_states(state: State, event: Event) -> tuple[State, ...]:
    """The states to which `event` may lead from `state`. Raises `IllegalTransitionError` if there is none."""
    try:
        return TABLE[state][event]
    except KeyError:
        raise IllegalTransitionError(f"a row that is {state} cannot take the event {event}") from None


def cells() -> Iterator[tuple[State, Event, State]]:
    """All legal (state, event, next state) triples, for the schema and the tests."""
    for state, row in TABLE.items():
        for event, targets in row.items():
            for target in targets:
                yield state, event, target
