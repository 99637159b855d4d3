"""Whether the answer to a poll is about the run that was asked for.

A proxy, a cache or a connection may deliver the answer to another request, and a service may mix up its runs. Such an
answer is not believed, and the run is polled again. Therefore the row never gets the output of another run. If all its
answers are about another run, it times out.

This also holds for a row in doubt whose run a callback named. A poll confirmed the run, and the row is `running` from
then on. If a later answer contradicts, the row does not return to `in_doubt`, but ends `timed_out`: either way it has
no output, and it is submitted again only if the user asks for that. The same happens if the answer to a POST named
another run: the answers about that run show other inputs.

Not every mix-up can be noticed: an answer may name neither run, workflow nor inputs.
"""

import logging
from collections.abc import Mapping, Sequence

from batchrun.domain.answers import ENDS, RunState
from batchrun.domain.echoes import InputDigests, agrees, echoed_inputs
from batchrun.domain.known_echoes import KnownEchoes
from batchrun.engine.context import Context
from batchrun.engine.poll_queue import TrackedRun
from batchrun.errors import InputError, StorageError

log = logging.getLogger("batchrun")

MAX_SHOWN = 60
"""Characters of an input that are shown in a message."""


class AnswerCheck:
    """Compares answers with what was asked, and with what was sent."""

    def __init__(self, context: Context) -> None:
        self._workflow_id = context.settings.workflow_id
        self._mapping = context.mapping
        self._lookup = context.lookup
        self._counters = context.counters
        self._digests = InputDigests(context.mapping)
        self._known = KnownEchoes(context.counters.known_echoes)
        self.digest = self._digests.of
        """The digest of the values of a row, for `TrackedRun`."""

    async def objection(self, run: TrackedRun, run_id: str, state: RunState) -> str | None:
        """Why an answer to a poll of `run_id` is not believed, such as "about another run"; None if it is believed.

        The echo of the inputs is compared if the run has ended, or if only a callback named it.
        """
        identity, known = state.identity, self._known
        if (found := known.objection(identity, run_id, self._workflow_id)) is not None:
            return found
        if identity.inputs and (state.phase in ENDS or run.claimed_run_id is not None):
            found = await self._compare(run, echoed_inputs(identity.inputs))
        if found is None and run.claimed_run_id is None and known.named(identity):
            self._counters.known_echoes = known.record
        return found

    async def _compare(self, run: TrackedRun, echoed: Mapping[str, object]) -> str | None:
        agreed, others = ((), tuple(echoed)) if run.digest is None else self._digests.compare(run.digest, echoed)
        if not others and self._known.has_agreed(agreed):
            return None  # the common case
        agreed = [name for name in agreed if echoed.get(name) is not None]
        if others := self._known.compared(others):
            # The digests differ also if the echo was cut short, or if a number was rounded.
            try:
                values = await self._lookup.values(run.row.row) if run.values is None else run.values
                sent = self._mapping.inputs(values)
            except (InputError, StorageError, ValueError) as error:
                # Without the inputs, nothing contradicts an answer. But it confirms no claim of a callback.
                claimed = run.claimed_run_id is not None
                return f"with inputs that cannot be compared: those sent cannot be read: {error}" if claimed else None
            others = [name for name in others if sent.get(name) is not None and echoed[name] is not None]
            agreed += [name for name in others if agrees(sent[name], echoed[name])]
            others = [name for name in others if name not in agreed]
        if run.claimed_run_id is None:
            others = self._learn(run, agreed, others)
        if not others:
            return None
        name = others[0]
        return f"with other inputs than were sent ({name} is {_short(echoed[name])} and not {_short(sent[name])})"

    def _learn(self, run: TrackedRun, agreed: Sequence[str], deviating: list[str]) -> list[str]:
        """Remember how the service echoes these inputs. Returns the deviating names that are still compared."""
        is_news = self._known.agreed(agreed)
        if deviating and (rewritten := self._known.deviated(run.row.row, deviating)):
            log.warning("the service rewrites inputs before it echoes them; not compared: %s", ", ".join(rewritten))
            is_news = True
        if is_news:
            self._counters.known_echoes = self._known.record
        return self._known.compared(deviating)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
