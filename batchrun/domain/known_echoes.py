"""What the answers of a job have shown about how its service names runs and echoes inputs.

It decides whether an answer is about another run, and is recorded, so that a later session decides in the same way.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

import msgspec

from batchrun.domain.answers import Identity
from batchrun.domain.frozen import Frozen


class _Record(Frozen, frozen=True, omit_defaults=True):
    names_runs: bool = False
    agreed: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()
    mixed_up: tuple[str, ...] = ()


class Deviation(Frozen, frozen=True):
    """An input of a row that is echoed differently: hashes of what was sent and echoed (`domain.echoes.hash_of`)."""

    row: int
    sent: int
    echoed: int


@lru_cache(8)
def merged_echoes(records: tuple[str, ...]) -> str:
    """What several engines of one job have found out, each as `KnownEchoes.record` returned it, or empty."""
    found = [msgspec.json.decode(record, type=_Record) for record in dict.fromkeys(records) if record]
    if not found:
        return ""
    agreed, rewritten, mixed_up = (
        {name for one in found for name in getattr(one, sort)} for sort in ("agreed", "rewritten", "mixed_up")
    )
    names_runs = any(one.names_runs for one in found)
    sorts = agreed, rewritten - agreed - mixed_up, mixed_up
    return msgspec.json.encode(_Record(names_runs, *(tuple(sorted(names)) for names in sorts))).decode()


def is_unknown(identifier: str | None) -> bool:
    """Whether an identifier may name nothing: a service may write 0 for one that it does not know."""
    return identifier is None or identifier.strip() == "0"


class KnownEchoes:
    """`record`: the knowledge of earlier sessions, as `record` returned it; empty if there is none."""

    def __init__(self, record: str = "") -> None:
        known = msgspec.json.decode(record, type=_Record) if record else _Record()
        self._names_runs = known.names_runs
        self._agreed = set(known.agreed)
        self._rewritten = set(known.rewritten)
        self._mixed_up = set(known.mixed_up)
        """The names in which an echo was that of another row: if they differ, it is not because of rewriting."""
        self._deviated: dict[str, Deviation] = {}
        """By the name of an input that no run has agreed in: the first deviation."""

    @property
    def record(self) -> str:
        """The knowledge as text."""
        known = _Record(
            self._names_runs, *(tuple(sorted(names)) for names in (self._agreed, self._rewritten, self._mixed_up))
        )
        return msgspec.json.encode(known).decode()

    def objection(self, identity: Identity, run_id: str | None, workflow_id: str) -> str | None:
        """Why an answer is not about this run, by the names in it; None if nothing contradicts.

        `run_id`: None in the answer to a POST, which tells it. The text continues a phrase such as "HTTP 200".
        """
        if identity.repeated is not None:
            return f"with two different values of {identity.repeated}"
        if not is_unknown(identity.workflow_id) and (identity.workflow_id or "").strip() != workflow_id:
            return f"about another workflow, {(identity.workflow_id or '')[:80]}"
        if run_id is None or identity.run_id == run_id:
            return None
        if identity.run_id is None or is_unknown(identity.run_id):
            return "without the name of its run, which other answers have" if self._names_runs else None
        return f"about another run, {identity.run_id[:80]}" if identity.run_id.strip() != run_id else None

    def named(self, identity: Identity) -> bool:
        """An answer was believed, with the name of its run or without. Returns whether that is news."""
        is_news = not is_unknown(identity.run_id) and not self._names_runs
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

    def mixed_up(self, names: Collection[str]) -> bool:
        """The echo has the inputs of another row in these names. Returns whether that is news."""
        is_news = not self._mixed_up.issuperset(names)
        self._mixed_up.update(names)
        return is_news

    def deviated(self, deviations: Mapping[str, Deviation]) -> list[str]:
        """The echo in an answer deviates in these names. Returns those that the service is found to rewrite.

        These are the names in which two runs deviated and none has agreed, and in which no inputs were mixed up.
        """
        found = list[str]()
        for name, deviation in deviations.items():
            if name in self._agreed or name in self._mixed_up:
                continue
            first = self._deviated.setdefault(name, deviation)
            if first.sent == deviation.echoed or first.echoed == deviation.sent:
                self._mixed_up.add(name)
            elif first.row != deviation.row:
                found.append(name)
        self._rewritten.update(found)
        return found
