"""Jobs whose power is cut: what a job did to the disk, and how the next command finds each state that may be left."""

import shutil
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchrun.adapters.checkpoint import connection
from batchrun.app.lost_checkpoint import find_loss
from batchrun.app.run_directory import RunDirectory
from batchrun.domain.filenames import CHECKPOINT, JOB, RESULTS, SUMMARY
from batchrun.errors import BatchrunError, InputError
from batchrun.simulator.simulated_run import SimulatedRun
from batchrun.simulator.store import Store
from tests.support.disk_model import CrashState, DiskEvent, FolderSynced, Named, Noted, Renamed, Written, crash_states
from tests.support.recorded_database import Contents, contents, recorded_databases
from tests.support.recorded_files import Recorder, recorded_files
from tests.support.rehearsal import Rehearsal
from tests.support.virtual import VirtualClock

REPLACED = (JOB, SUMMARY, *RESULTS)
"""The files of which a power cut leaves the old or the new content."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """The service at a moment: the image of its runs, and the time."""

    runs: bytes
    now: int


class _ObservedStore(Store):
    """The runs of the service. Tells of each change."""

    def __init__(self, on_change: Callable[[bytes], None]) -> None:
        super().__init__()
        self._on_change = on_change

    def count_post(self, key: str) -> int:
        earlier = super().count_post(key)
        self._on_change(self._db.serialize())
        return earlier

    def add(self, run: SimulatedRun) -> None:
        super().add(run)
        self._on_change(self._db.serialize())


class RecordedJob:
    """What commands did to the run directory `folder/job`, which is gone now."""

    def __init__(self, folder: Path, events: Sequence[DiskEvent], start: int, before: Contents | None) -> None:
        self.folder, self.events, self._start = folder, events, start
        self.commits: list[Contents | None] = [before]
        """The contents of the checkpoint at the beginning, and after each commit."""
        self._returned: list[int] = []
        self._services: list[tuple[int, ServiceState]] = []
        for number, event in enumerate(events, start=1):
            if isinstance(event, Noted) and isinstance(event.what, ServiceState):
                self._services.append((number, event.what))
            elif isinstance(event, Noted):
                assert isinstance(event.what, Mapping)
                self._returned.append(number)
                self.commits.append(event.what)
        self._replaced = {name: list(_replacements(events, folder / "job" / name)) for name in REPLACED}

    def is_database(self, file: int) -> bool:
        """Whether the file belongs to the checkpoint."""
        names = {event.path.name for event in self.events if isinstance(event, Named) and event.file == file}
        return any(name.startswith(CHECKPOINT) for name in names)

    def acknowledged(self, state: CrashState) -> int:
        """How many commits had returned."""
        return bisect_right(self._returned, state.events)

    def service(self, state: CrashState) -> ServiceState:
        """The service at that moment."""
        return [service for number, service in self._services if number <= state.events][-1]

    def states(self, seed: int, most: int, one_in: int) -> Iterator[CrashState]:
        """The different states in which a power cut may have left the folder; see `crash_states`."""
        seen = set[int]()
        for state in crash_states(self.events, start=self._start, seed=seed, most=most, one_in=one_in):
            files = frozenset((path, hash(content)) for path, content in state.files.items())
            key = hash((self.acknowledged(state), files, state.folders))
            if key not in seen:
                seen.add(key)
                yield state

    def problem(self, state: CrashState) -> str | None:
        """What a command would find wrong in this state; None if nothing. Puts the state into the folder."""
        job = self.folder / "job"
        shutil.rmtree(job, ignore_errors=True)
        state.put(self.folder, self.folder)
        directory, acknowledged = RunDirectory(job, job), self.acknowledged(state)
        try:
            if (loss := find_loss(directory)) is not None:
                return f"is refused: {loss.reason}"
            found = contents_of(directory.checkpoint)
        except BatchrunError as error:
            return f"is refused: {error}"
        if found not in self.commits[acknowledged : acknowledged + 2]:
            known = self.commits.index(found) if found in self.commits else "another state"
            return f"is after commit {known}, and commit {acknowledged} had returned"
        for name, versions in self._replaced.items():
            if state.files.get(job / name) not in _allowed(versions, state.events):
                return f"{name} is neither the old nor the new one"
        return None

    def where(self, state: CrashState) -> str:
        """What is needed to try the state again."""
        last = str(self.events[state.events - 1])[:80] if state.events else "nothing"
        return f"after event {state.events} ({last}), with {state.applied}"


def record(
    folder: Path, act: Callable[[Callable[[object], None]], object], rewritten: Callable[[str], str] = str
) -> RecordedJob:
    """Record what `act` does to the run directory, which it may find there. `act` gets a function that notes things."""
    before = contents_of(folder / "job" / CHECKPOINT)
    recorder = Recorder(folder / "job")
    with recorded_files(recorder), recorded_databases(recorder, rewritten):
        act(recorder.noted)
    shutil.rmtree(folder / "job")
    return RecordedJob(folder, recorder.events, recorder.start, before)


def contents_of(path: Path) -> Contents | None:
    """All that a checkpoint holds, as a reader of batchrun sees it; None if there is no job yet."""
    try:
        with connection.open_reader(path) as db:
            return contents(db)
    except InputError as error:
        if "holds no job" in str(error):
            return None
        raise


def unanswered(contents: Contents | None) -> set[int]:
    """The rows whose answer is not recorded."""
    if contents is None:
        return set()
    tables: Any = contents
    submitting = {row for row, *_ in tables["intents"][1]}
    return submitting | {row for row, state, *_ in tables["rows"][1] if state in {"submitting", "in_doubt"}}


def observe(rehearsal: Rehearsal, note: Callable[[object], None]) -> None:
    """Let the service note its state now and after each change."""

    def on_change(runs: bytes) -> None:
        note(ServiceState(runs, rehearsal.clock.now()))

    on_change(rehearsal.store._db.serialize())
    rehearsal.store = _ObservedStore(on_change)
    rehearsal.serve(*rehearsal.faults)


def restore(rehearsal: Rehearsal, service: ServiceState) -> None:
    """Let the service be what it was at that moment."""
    rehearsal.clock, rehearsal.store = VirtualClock(service.now), Store()
    rehearsal.store._db.deserialize(service.runs)
    rehearsal.serve(*rehearsal.faults)


Version = tuple[int, int, bytes]
"""A content of a file, and the numbers of events after which it may be there, and must be."""


def _replacements(events: Sequence[DiskEvent], path: Path) -> Iterator[Version]:
    content, files, pending = dict[int, bytes](), dict[Path, int](), list[tuple[int, int]]()
    for number, event in enumerate(events, start=1):
        match event:
            case Written(file, 0, data):  # such files are recorded whole
                content[file] = data
            case Named(name, file) if file is not None:
                files[name] = file
                if name == path:
                    pending.append((number, file))
            case Renamed(source, target):
                files[target] = files.pop(source)
                if target == path:
                    pending.append((number, files[target]))
            case FolderSynced(folder) if folder == path.parent:
                yield from ((begun, number, content[file]) for begun, file in pending)
                pending.clear()
    yield from ((begun, len(events) + 1, content[file]) for begun, file in pending)


def _allowed(versions: Sequence[Version], events: int) -> list[bytes | None]:
    """What a file may contain after so many events; None: it may be missing."""
    certain = [data for _, durable, data in versions if durable <= events]
    possible = [data for begun, durable, data in versions if begun <= events < durable]
    return [certain[-1] if certain else None, *possible]
