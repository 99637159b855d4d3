"""A disk that loses power: what was done to its files, and the states in which a power cut may leave them.

The model allows whatever POSIX does not forbid. Until a file is synced, each change of it may be lost, and each sector
of a write on its own. Until a folder is synced, its names are those after some number of its changes, in their order.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

SECTOR, PAGE = 512, 4096
"""Bytes that a disk writes at once, and bytes that the kernel writes back at once."""


class Written(NamedTuple):
    """Bytes were written into a file."""

    file: int
    at: int
    data: bytes


class Truncated(NamedTuple):
    """A file was cut to this size, or extended to it."""

    file: int
    size: int


class Synced(NamedTuple):
    """A file was synced."""

    file: int


class Named(NamedTuple):
    """A name was given to a file (None: to a folder)."""

    path: Path
    file: int | None


class Renamed(NamedTuple):
    """A name was changed, to one in the same folder."""

    path: Path
    target: Path


class Unnamed(NamedTuple):
    """A name was removed."""

    path: Path


class FolderSynced(NamedTuple):
    """A folder was synced."""

    path: Path


class Noted(NamedTuple):
    """Nothing happened on the disk; the test noted something."""

    what: object


Change = Written | Truncated
NameChange = Named | Renamed | Unnamed
DiskEvent = Change | NameChange | Synced | FolderSynced | Noted


@dataclass(frozen=True, slots=True)
class CrashState:
    """The files after a power cut. `events`: how many events had happened; `applied`: which unsynced ones are there.

    `is_whole`: nothing is lost, as after a kill.
    """

    events: int
    applied: str
    is_whole: bool
    files: dict[Path, bytes]
    folders: frozenset[Path]

    def put(self, at: Path, to: Path) -> None:
        """Make the files and folders below `at` in the existing folder `to`."""
        for path in sorted(self.folders):
            if path != at and path.is_relative_to(at):
                (to / path.relative_to(at)).mkdir()
        for path, content in self.files.items():
            if path.is_relative_to(at):
                (to / path.relative_to(at)).write_bytes(content)


Kept = Sequence[tuple[int, int]] | None
"""What of a change is applied: spans of a write, all of the change (None), or nothing (empty)."""


@dataclass
class Disk:
    """Follows the events. `synced` and `names`: what is certain; `changes` and `name_changes`: what may be lost."""

    synced: dict[int, bytes] = field(default_factory=dict)
    names: dict[Path, int | None] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    name_changes: list[NameChange] = field(default_factory=list)

    def follow(self, event: DiskEvent) -> None:
        """Take the next event."""
        match event:
            case Written() | Truncated():
                self.changes.append(event)
            case Named() | Renamed() | Unnamed():
                self.name_changes.append(event)
            case Synced(file):
                mine = [change for change in self.changes if change.file == file]
                self.changes = [change for change in self.changes if change.file != file]
                self.synced |= _changed(self.synced, mine, [None] * len(mine), grown=False)
            case FolderSynced(path):
                mine_too = [change for change in self.name_changes if change.path.parent == path]
                self.name_changes = [change for change in self.name_changes if change.path.parent != path]
                self.names = _renamed(self.names, mine_too)
            case Noted():
                pass

    def crashed(self, events: int, applied: str, kept: Sequence[Kept], names: int, *, grown: bool) -> CrashState:
        """The state with these parts of the unsynced changes, and the first so many changes of names.

        `grown`: a write that is lost has made its file longer all the same.
        """
        content = self.synced | _changed(self.synced, self.changes, kept, grown=grown)
        found = _renamed(self.names, self.name_changes[:names])
        folders = frozenset(path for path, file in found.items() if file is None)
        known = set(self.names) | {change.path for change in self.name_changes if _is_folder(change)}
        there = {path: file for path, file in found.items() if path.parent in folders or path.parent not in known}
        files = {path: content.get(file, b"") for path, file in there.items() if file is not None}
        is_whole = names == len(self.name_changes) and all(spans is None for spans in kept)
        applied = f"{applied}, {names} of {len(self.name_changes)} names"
        return CrashState(events, applied, is_whole, files, folders)

    def states(self, events: int, draw: Random, most: int) -> "Iterator[Callable[[], CrashState]]":
        """The states in which a power cut now may leave the disk: with all and with nothing, and `most` others.

        Each is made by a function, to be called before the next event.
        """
        count, names = len(self.changes), len(self.name_changes)
        crashed = partial(self.crashed, events)
        yield partial(crashed, "all", self._without([]), names, grown=False)
        if names:
            yield partial(crashed, "all", self._without([]), 0, grown=False)
        if not count:
            return
        yield partial(crashed, "nothing", self._without(range(count)), names, grown=False)
        others: list[tuple[str, Callable[[], list[Kept]]]] = []
        for number in range(count):
            others += [
                (f"the first {number}", partial(self._without, range(number, count))),
                (f"all but {number}", partial(self._without, [number])),
                (f"all, {number} torn", partial(self._torn, number, draw)),
                ("some, drawn", partial(self._some, draw)),
            ]
        for applied, kept in others if len(others) <= most else draw.sample(others, most):
            yield partial(crashed, applied, kept(), draw.randint(0, names), grown=draw.random() < 0.3)

    def _without(self, lost: Sequence[int]) -> list[Kept]:
        return [() if number in lost else None for number in range(len(self.changes))]

    def _torn(self, number: int, draw: Random) -> list[Kept]:
        kept: list[Kept] = [None] * len(self.changes)
        kept[number] = _drawn(self.changes[number], draw)
        return kept

    def _some(self, draw: Random) -> list[Kept]:
        return [draw.choice((None, (), _drawn(change, draw))) for change in self.changes]


def _is_folder(change: NameChange) -> bool:
    return isinstance(change, Named) and change.file is None


def _drawn(change: Change, draw: Random) -> Kept:
    """Some of the sectors, or of the pages, of a write."""
    if isinstance(change, Truncated):
        return draw.choice((None, ()))
    unit, end = draw.choice((SECTOR, PAGE)), change.at + len(change.data)
    bounds = [change.at, *range((change.at // unit + 1) * unit, end, unit), end]
    return [(start - change.at, stop - change.at) for start, stop in pairwise(bounds) if draw.getrandbits(1)]


def _changed(
    before: dict[int, bytes], changes: Sequence[Change], kept: Sequence[Kept], *, grown: bool
) -> dict[int, bytes]:
    """The contents of the files that have changes."""
    found = {change.file: bytearray(before.get(change.file, b"")) for change in changes}
    for change, spans in zip(changes, kept, strict=True):
        content = found[change.file]
        if isinstance(change, Truncated):
            if spans is None:
                del content[change.size :]
                content.extend(bytes(change.size - len(content)))
            continue
        for start, stop in ((0, len(change.data)),) if spans is None else spans:
            content.extend(bytes(max(0, change.at + stop - len(content))))
            content[change.at + start : change.at + stop] = change.data[start:stop]
        if grown:
            content.extend(bytes(max(0, change.at + len(change.data) - len(content))))
    return {file: bytes(content) for file, content in found.items()}


def _renamed(before: dict[Path, int | None], changes: Sequence[NameChange]) -> dict[Path, int | None]:
    found = dict(before)
    for change in changes:
        match change:
            case Named(path, file):
                found[path] = file
            case Renamed(path, target):
                if path in found:
                    found[target] = found.pop(path)
            case Unnamed(path):
                found.pop(path, None)
    return found


def crash_states(events: Sequence[DiskEvent], *, start: int, seed: int, most: int, one_in: int) -> Iterator[CrashState]:
    """The states of a power cut before each event and after the last one: for each, `most` beside the plain ones.

    `start`: the number of events before the first power cut. `one_in`: only one in so many states is made.
    """
    disk, draw, number = Disk(), Random(seed), 0
    for happened, event in enumerate([*events, Noted(None)]):
        if happened >= start and (not isinstance(event, Noted) or happened == len(events)):
            for make in disk.states(happened, draw, most):
                if number % one_in == 0:
                    yield make()
                number += 1
        disk.follow(event)
