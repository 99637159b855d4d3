"""What a session has sent so far."""

from dataclasses import dataclass


@dataclass
class Counters:
    """Requests of one session.

    `submissions` and `polls` are requests that left, whatever became of them (those whose connection was never made
    are none); `throttled` are the 429s among their answers.
    """

    submissions: int = 0
    polls: int = 0
    throttled: int = 0
