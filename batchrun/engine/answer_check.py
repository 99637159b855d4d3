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

An input that is echoed in another form still agrees (`domain.agreement`). But if it was cut or rounded, and is exactly
what another row sent, that is a mix-up. It can be noticed for the last rows that were sent
(`domain.echoes.MAX_REMEMBERED`) and, in a later session, for the rows beside the one in question. A name in which
inputs were mixed up never counts as rewritten.

An answer that names the right run and is not believed may have its result all the same. So the row is not submitted
again unless the user asks for that, as if the answer could not be read.

Not every mix-up can be noticed. The answer to a POST may name neither workflow nor inputs, so that a synchronous result
that nobody asked for is believed if it arrives just after a POST was sent. (If it arrives before, `adapters.http` does
not use the connection any more.)
"""

import logging
from collections.abc import Mapping, Sequence

from batchrun.domain.agreement import agrees, shown
from batchrun.domain.answers import ENDS, Identity, RunState
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.counters import Counters
from batchrun.domain.echoes import InputDigests, echoed_inputs, hash_of
from batchrun.domain.known_echoes import Deviation, KnownEchoes
from batchrun.engine.settings import Settings
from batchrun.engine.tracked_run import TrackedRun
from batchrun.errors import InputError, StorageError
from batchrun.ports import Lookup

log = logging.getLogger("batchrun")

MAX_SHOWN = 60
"""Characters of an input that are shown in a message."""


class AnswerCheck:
    """Compares answers with what was asked, and with what was sent."""

    def __init__(self, settings: Settings, mapping: ColumnMapping, lookup: Lookup, counters: Counters) -> None:
        self._workflow_of = settings.workflow_of
        self._mapping = mapping
        self._lookup = lookup
        self._counters = counters
        self._digests = InputDigests(mapping)
        self._known = KnownEchoes(counters.known_echoes)
        self.digest = self._digests.remember
        """The digest of the values of a row, for `TrackedRun`. The last ones show if inputs are mixed up."""

    # Each of these functions returns why an answer is not believed, as a continuation of "HTTP 200", such as "about
    # another run"; None if it is believed.

    async def objection(self, run: TrackedRun, run_id: str, state: RunState) -> str | None:
        """The objection to the answer to a poll of `run_id`.

        The echo of the inputs is compared if the run has ended, or if only a callback named it.
        """
        identity, known = state.identity, self._known
        if (found := known.objection(identity, run_id, self._workflow_of(run.row.row))) is not None:
            return found
        if identity.inputs and (state.phase in ENDS or run.claimed_run_id is not None):
            try:
                found = await self._compare(run, echoed_inputs(identity.inputs))
            except Exception as error:  # noqa: BLE001 - the echo is data, and may not end the job
                found = _not_compared(error)
        if found is None and run.claimed_run_id is None and known.named(identity):
            self._counters.known_echoes = known.record
        return found

    def named(self, run: TrackedRun, identity: Identity) -> tuple[bool, bool]:
        """Whether an answer to a poll of this run names this run, and whether its names contradict that it is about it.

        Both may be true, for example if it names another workflow.
        """
        run_id = run.row.run_id or ""
        is_named = identity.run_id is not None and identity.run_id.strip() == run_id
        return is_named, self._known.objection(identity, run_id, self._workflow_of(run.row.row)) is not None

    def objection_to_post(self, row: int, identity: Identity) -> str | None:
        """The objection to the answer to a POST of this row, from the names in it. Its run is not known before."""
        return self._known.objection(identity, None, self._workflow_of(row))

    def objection_to_result(self, row: int, values: Sequence[object], identity: Identity) -> str | None:
        """The objection to the result in the answer to a POST of this row, from the echo of the inputs."""
        digest = self.digest(row, values)
        try:
            echoed = echoed_inputs(identity.inputs)
            agreed, others = self._digests.compare(digest, echoed)
            return self._deviation(row, self._inputs(values), echoed, agreed, others) if echoed else None
        except Exception as error:  # noqa: BLE001 - see above
            return _not_compared(error)

    async def _compare(self, run: TrackedRun, echoed: Mapping[str, object]) -> str | None:
        agreed, others = ((), tuple(echoed)) if run.digest is None else self._digests.compare(run.digest, echoed)
        if not others and self._known.has_agreed(agreed):
            return None  # the common case
        is_claim, sent = run.claimed_run_id is not None, dict[str, object]()
        if self._known.compared(others):
            try:
                values = await self._lookup.values(run.row.row) if run.values is None else run.values
                sent = self._inputs(values)
                if run.digest is None:  # a run of an earlier session
                    run.digest = self.digest(run.row.row, values)
                    names = [name for name in others if sent.get(name) is not None and echoed[name] is not None]
                    if not self._known.has_agreed(self._known.compared(names)):
                        await self._remember_neighbours(run.row.row)
            except (InputError, StorageError, ValueError) as error:
                # Without the inputs, nothing contradicts an answer. But it confirms no claim of a callback.
                return f"with inputs that cannot be compared: those sent cannot be read: {error}" if is_claim else None
        return self._deviation(run.row.row, sent, echoed, agreed, others, is_claim=is_claim)

    async def _remember_neighbours(self, row: int) -> None:
        """Remember the inputs of the rows beside this one: if an answer is about another row, it is likely one of them.

        The rows of earlier sessions are not remembered otherwise.
        """
        for other in (row - 1, row + 1):
            try:
                self.digest(other, await self._lookup.values(other))
            except (InputError, StorageError, ValueError):
                continue  # there is no such row

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
        of_another = [
            name
            for name in others
            if not agrees(sent[name], echoed[name], in_full=True)
            and self._digests.is_of_another(row, name, echoed[name])
        ]
        deviating = [name for name in others if name in of_another or not agrees(sent[name], echoed[name])]
        if not is_claim:  # anyone who knows the address can claim any run
            found = [name for name in (*agreed, *others) if name not in deviating and echoed.get(name) is not None]
            self._learn(row, found, of_another, {name: (sent[name], echoed[name]) for name in deviating})
            deviating = self._known.compared(deviating)
        if not deviating:
            return None
        name = deviating[0]
        was, is_now = shown(sent[name], MAX_SHOWN), shown(echoed[name], MAX_SHOWN)
        whose = ", which another row has," if name in of_another else ""
        return f"with other inputs than were sent ({name} is {is_now}{whose} and not {was})"

    def _learn(
        self,
        row: int,
        agreed: Sequence[str],
        of_another: Sequence[str],
        deviating: Mapping[str, tuple[object, object]],
    ) -> None:
        """Remember how the service echoes these inputs. `deviating`: what was sent and echoed, by name."""
        is_news = self._known.agreed(agreed) | self._known.mixed_up(of_another)
        deviations = {name: Deviation(row, *map(hash_of, values)) for name, values in deviating.items()}
        if rewritten := self._known.deviated(deviations):
            log.warning("the service rewrites inputs before it echoes them; not compared: %s", ", ".join(rewritten))
            is_news = True
        if is_news:
            self._counters.known_echoes = self._known.record


def _not_compared(error: Exception) -> str:
    log.info("the inputs in an answer were not compared", exc_info=True)
    return f"with inputs that cannot be compared: {error}"
