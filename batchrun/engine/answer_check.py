"""Whether an answer is about the run that was asked for, or the row that was sent.

A proxy, a cache or a connection may deliver the answer to another request, and a service may mix up its runs. Such an
answer is not believed, and the run is polled again. Therefore the row never gets the output of another run. If all its
answers are about another run, it times out.

This also holds for a row in doubt whose run a callback named. A poll confirmed the run, and the row is `running` from
then on. If a later answer contradicts, the row does not return to `in_doubt`, but ends `timed_out`: either way it has
no output, and it is submitted again only if the user asks for that. The same happens if the answer to a POST named
another run: the answers about that run show other inputs.

An answer to a POST that names another workflow leaves the row in doubt. So does a synchronous result with other inputs,
unless it names a run: that run is polled.

Not every mix-up can be noticed. The answer to a POST may name neither workflow nor inputs, so that a synchronous result
that nobody asked for is believed if it arrives just after a POST was sent. (If it arrives before, `adapters.http` does
not use the connection any more.)
"""

import logging
from collections.abc import Mapping, Sequence

from batchrun.domain.answers import ENDS, Identity, RunState
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.counters import Counters
from batchrun.domain.echoes import InputDigests, agrees, echoed_inputs
from batchrun.domain.known_echoes import KnownEchoes
from batchrun.engine.poll_queue import TrackedRun
from batchrun.engine.settings import Settings
from batchrun.errors import InputError, StorageError
from batchrun.ports import Lookup

log = logging.getLogger("batchrun")

MAX_SHOWN = 60
"""Characters of an input that are shown in a message."""


class AnswerCheck:
    """Compares answers with what was asked, and with what was sent."""

    def __init__(self, settings: Settings, mapping: ColumnMapping, lookup: Lookup, counters: Counters) -> None:
        self._workflow_id = settings.workflow_id
        self._mapping = mapping
        self._lookup = lookup
        self._counters = counters
        self._digests = InputDigests(mapping)
        self._known = KnownEchoes(counters.known_echoes)
        self.digest = self._digests.of
        """The digest of the values of a row, for `TrackedRun`."""

    # Each of these functions returns why an answer is not believed, as a continuation of "HTTP 200", such as "about
    # another run"; None if it is believed.

    async def objection(self, run: TrackedRun, run_id: str, state: RunState) -> str | None:
        """The objection to the answer to a poll of `run_id`.

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

    def names_another(self, identity: Identity, run_id: str) -> bool:
        """Whether an answer to a poll of `run_id` names another run or workflow, or none where others do."""
        return self._known.objection(identity, run_id, self._workflow_id) is not None

    def objection_to_post(self, identity: Identity) -> str | None:
        """The objection to the answer to a POST, from the names in it. Its run is not known before."""
        return self._known.objection(identity, None, self._workflow_id)

    def objection_to_result(self, row: int, values: Sequence[object], identity: Identity) -> str | None:
        """The objection to the result in the answer to a POST of this row, from the echo of the inputs."""
        echoed = echoed_inputs(identity.inputs)
        agreed, others = self._digests.compare(self.digest(values), echoed)
        return self._deviation(row, self._inputs(values), echoed, agreed, others) if echoed else None

    async def _compare(self, run: TrackedRun, echoed: Mapping[str, object]) -> str | None:
        agreed, others = ((), tuple(echoed)) if run.digest is None else self._digests.compare(run.digest, echoed)
        if not others and self._known.has_agreed(agreed):
            return None  # the common case
        is_claim, sent = run.claimed_run_id is not None, dict[str, object]()
        if self._known.compared(others):
            try:
                values = await self._lookup.values(run.row.row) if run.values is None else run.values
                sent = self._inputs(values)
            except (InputError, StorageError, ValueError) as error:
                # Without the inputs, nothing contradicts an answer. But it confirms no claim of a callback.
                return f"with inputs that cannot be compared: those sent cannot be read: {error}" if is_claim else None
        return self._deviation(run.row.row, sent, echoed, agreed, others, is_claim=is_claim)

    def _inputs(self, values: Sequence[object]) -> dict[str, object]:
        """The inputs of a row, without files: a reference to the file was sent."""
        files = self._mapping.files
        return {name: value for name, value in self._mapping.inputs(values).items() if name not in files}

    def _deviation(
        self,
        row: int,
        sent: Mapping[str, object],
        echoed: Mapping[str, object],
        agreed: Sequence[str],
        others: Sequence[str],
        *,
        is_claim: bool = False,
    ) -> str | None:
        """The objection, after a look at the names whose digests differ: of an echo cut short, for example."""
        others = [
            name for name in self._known.compared(others) if sent.get(name) is not None and echoed[name] is not None
        ]
        deviating = [name for name in others if not agrees(sent[name], echoed[name])]
        if not is_claim:  # anyone who knows the address can claim any run
            found = [name for name in (*agreed, *others) if name not in deviating and echoed.get(name) is not None]
            self._learn(row, found, deviating)
            deviating = self._known.compared(deviating)
        if not deviating:
            return None
        name = deviating[0]
        return f"with other inputs than were sent ({name} is {_short(echoed[name])} and not {_short(sent[name])})"

    def _learn(self, row: int, agreed: Sequence[str], deviating: Sequence[str]) -> None:
        """Remember how the service echoes these inputs."""
        is_news = self._known.agreed(agreed)
        if deviating and (rewritten := self._known.deviated(row, deviating)):
            log.warning("the service rewrites inputs before it echoes them; not compared: %s", ", ".join(rewritten))
            is_news = True
        if is_news:
            self._counters.known_echoes = self._known.record


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
