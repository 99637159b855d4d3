"""What the answers of a job have shown about how its service names runs and echoes inputs.

It decides whether an answer is about another run, and is recorded, so that a later session decides in the same way.
"""

from collections.abc import Collection, Iterable

import msgspec

from batchrun.domain.answers import Identity
from batchrun.domain.frozen import Frozen


class _Record(Frozen, frozen=True, omit_defaults=True):
    names_runs: bool = False
    agreed: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()


class KnownEchoes:
    """`record`: the knowledge of earlier sessions, as `record` returned it; empty if there is none."""

    def __init__(self, record: str = "") -> None:
        known = msgspec.json.decode(record, type=_Record) if record else _Record()
        self._names_runs = known.names_runs
        self._agreed = set(known.agreed)
        self._rewritten = set(known.rewritten)
        self._deviated: dict[str, int] = {}
        """By the name of an input that no run has agreed in: the row of the first run that deviated."""

    @property
    def record(self) -> str:
        """The knowledge as text."""
        known = _Record(self._names_runs, tuple(sorted(self._agreed)), tuple(sorted(self._rewritten)))
        return msgspec.json.encode(known).decode()

    def objection(self, identity: Identity, run_id: str | None, workflow_id: str) -> str | None:
        """Why an answer is not about this run, by the names in it; None if nothing contradicts.

        `run_id`: None in the answer to a POST, which tells it. The text continues a phrase such as "HTTP 200".
        """
        if identity.repeated is not None:
            return f"with two different values of {identity.repeated}"
        if identity.workflow_id is not None and identity.workflow_id.strip() != workflow_id:
            return f"about another workflow, {identity.workflow_id[:80]}"
        if run_id is None or identity.run_id == run_id:
            return None
        if identity.run_id is None:
            return "without the name of its run, which other answers have" if self._names_runs else None
        return f"about another run, {identity.run_id[:80]}" if identity.run_id.strip() != run_id else None

    def named(self, identity: Identity) -> bool:
        """An answer was believed, with the name of its run or without. Returns whether that is news."""
        is_news = identity.run_id is not None and not self._names_runs
        self._names_runs |= is_news
        return is_news

    def compared(self, names: Iterable[str]) -> list[str]:
        """Those of the names that are compared: the service does not rewrite them."""
        return [name for name in names if name not in self._rewritten]

    def has_agreed(self, names: Collection[str]) -> bool:
        """Whether an echo has agreed in each of these names."""
        return self._agreed.issuperset(names)

    def agreed(self, names: Collection[str]) -> bool:
        """The echo agrees with what was sent in these names. Returns whether that is news."""
        is_news = not self.has_agreed(names)
        self._agreed.update(names)
        return is_news

    def deviated(self, row: int, names: Iterable[str]) -> list[str]:
        """The echo in an answer about this row deviates. Returns the names that the service is found to rewrite.

        These are the names in which two runs deviated and none has agreed.
        """
        found = [name for name in names if name not in self._agreed and self._deviated.setdefault(name, row) != row]
        self._rewritten.update(found)
        return found
