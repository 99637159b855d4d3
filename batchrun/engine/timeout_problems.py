"""Why a row timed out, in words that say what the service said last."""

import logging

from batchrun.domain.agreement import shown
from batchrun.domain.answers import RunState
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.engine.settings import Settings
from batchrun.engine.tracked_run import TrackedRun
from batchrun.engine.unhelpful_polls import Unhelpful

log = logging.getLogger("batchrun")

MAX_UNKNOWN_WORDS = 3
"""Unknown words for the state of a run that are reported."""

MAX_WORD = 60
"""Characters of such a word that are shown."""


class UnknownWords:
    """Reports words for the state of a run that are not known, and taken as running.

    A service may put anything into them, for example the progress, so only the first ones are reported.
    """

    def __init__(self) -> None:
        self._words: set[str] = set()

    def report(self, word: str) -> None:
        """The service used this word."""
        word = shown(word, MAX_WORD)
        if word in self._words or len(self._words) >= MAX_UNKNOWN_WORDS:
            return
        self._words.add(word)
        last = "; further ones are not reported" if len(self._words) == MAX_UNKNOWN_WORDS else ""
        log.warning("the service says %s of a run, a word we do not know: taken as running%s", word, last)


def timeout_problem(
    settings: Settings, run: TrackedRun, state: RunState | None, polls: int, said: Unhelpful | None
) -> Problem:
    """The problem of a run whose time is up, after `polls` polls.

    `state`: its last state; `said`: what the service said instead of it.
    """
    word = shown(state.status if state else run.row.status, MAX_WORD)
    reason = f"not ended {settings.run_timeout:g} s after it was accepted"
    if settings.max_polls is not None and polls >= settings.max_polls:
        reason = f"not ended after {polls} polls"
    if said is not None and said.why_kept:
        again = "retry polls it again, and with --in-doubt resubmit submits it again"
        reason = f"the answers about its run {run.row.run_id} {said.why_kept} ({again})"
    if state is not None and not run.status_known:
        return Problem(ErrorKind.UNKNOWN_STATUS, f"{reason}; the service says {word}, a word we do not know")
    if said is not None and said.message:
        refusal = said.refusal
        code, status = (refusal.code, refusal.http_status) if refusal is not None else (None, None)
        return Problem(ErrorKind.TIMEOUT, f"{reason}; the last answer about it was: {said.message}", code, status)
    return Problem(ErrorKind.TIMEOUT, f"{reason}; the service's last word was {word}")
