"""The life of one row, as one table.

A row is always in exactly one state. Whatever happens to it is an event, and the table says to which states the
event may lead; an event that the table does not list is illegal, raises, and changes nothing. Everything obeys this
table: the engine through `domain.row.decide`, and the checkpoint through a trigger that is generated from it, so that
not even a bug can take a paid run back to `queued` unseen.

How to read it. A POST is sent only from `queued`, and `submit_started` is durable before its first byte leaves: a
row found `submitting` after a crash is a row of which nobody knows whether the service has it, and becomes `in_doubt`.
From `in_doubt` no event leads to another POST but `settled`, the user's own word. `accepted` brings the `run_id`, and
from then on the row is polled and not submitted again, unless its run failed and the user wants that tried again.
Where the service answers a POST when the run has ended (`--mode sync`), the row goes from `submitting` straight to its
end by the same two events that a poll brings.
One event spares a row all of this: `reused` completes it with the run of an earlier job, whose row had the same key
and the same inputs. It is open to a `queued` row alone, of which nothing is at the service (`--reuse`).

Two cells of `queued` are about verdicts that come late: after a refusal the row is `queued` at once, and
whether the refusal was its own fault or an outage shows only in how its neighbours fare (`domain.jury`).
A row that the checkpoint has never seen is `queued`.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from batchrun.errors import IllegalTransitionError


class State(StrEnum):
    """Where a row is. What the service calls pending or running is one state here, `running`."""

    QUEUED = "queued"
    """It waits to be submitted."""
    SUBMITTING = "submitting"
    """Its POST is about to leave, or in the air."""
    RUNNING = "running"
    """The service accepted it, and its run has not ended."""
    COMPLETED = "completed"
    """Its run ended well, and its output is recorded."""
    FAILED = "failed"
    """It will not be completed, unless it is retried."""
    TIMED_OUT = "timed_out"
    """Its run did not end in time."""
    IN_DOUBT = "in_doubt"
    """It was sent, and nobody can tell whether the service has it."""


class Event(StrEnum):
    """What may happen to a row."""

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


S, E = State, Event

TABLE: Mapping[State, Mapping[Event, tuple[State, ...]]] = {
    S.QUEUED: {
        E.CANNOT_BE_SENT: (S.FAILED,),
        E.SUBMIT_STARTED: (S.SUBMITTING,),
        E.REFUSED_FOR_GOOD: (S.FAILED,),  # a late verdict: the refusal was the row's own
        E.REFUNDED: (S.QUEUED,),  # a late verdict: it was an outage, the attempt is refunded
        E.FOUND_AFTER_RESTART: (S.QUEUED,),
        E.REUSED: (S.COMPLETED,),
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
"""States in which a row needs nothing more from this command."""

OUTPUT_STATES = frozenset({S.COMPLETED})
ERROR_STATES = frozenset({S.FAILED, S.TIMED_OUT, S.IN_DOUBT})
"""The states of the rows in `outputs.parquet` and in `errors.parquet`."""


def next_states(state: State, event: Event) -> tuple[State, ...]:
    """The states to which `event` may lead from `state`; raises `IllegalTransitionError` where there is none."""
    try:
        return TABLE[state][event]
    except KeyError:
        raise IllegalTransitionError(f"a row that is {state} cannot take the event {event}") from None


def cells() -> Iterator[tuple[State, Event, State]]:
    """Every legal (state, event, next state), for the schema and the tests."""
    for state, row in TABLE.items():
        for event, targets in row.items():
            for target in targets:
                yield state, event, target
