"""Jobs whose checkpoint is damaged: what the next command makes of them."""

import gc
import logging
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from batchrun.app.lost_checkpoint import ALWAYS_CHECKED
from batchrun.domain.filenames import CHECKPOINT, LOCK
from batchrun.errors import BatchrunError, ExitCode, InputError, StorageError
from tests.support.power_cuts import ServiceState, contents_of, restore, unanswered
from tests.support.rehearsal import Rehearsal

FAULTS = ("latency=0.02", "fault=fail:id=3", "duration=uniform:0.1,1")
PADDING = ALWAYS_CHECKED + (1 << 20)
"""Bytes by which a small checkpoint becomes a large one: in a table that some other program has added."""

REFUSED, WENT_ON, STOPPED, ALTERED = (
    "refused",
    "went on",
    "stopped when it met the damage",
    "wrote an output as damaged as it was",
)
"""What may become of a damaged job. The last one cannot be noticed."""

_ADVICE = ("Put the right files back", "ut a copy of it back", "Choose another", "--fresh", "Upgrade")


@dataclass
class DamagedJob:
    """A job at some moment, which can be damaged and continued again and again."""

    rehearsal: Rehearsal
    files: dict[str, bytes]
    """Of its run directory."""
    size: int
    """Bytes of the database that are the job's own."""
    service: ServiceState
    unanswered: set[int]
    """Rows that may be in doubt after it."""
    expected: dict[int, tuple[str, str | None]]
    """The results of the undamaged job."""

    @property
    def folder(self) -> Path:
        """Its run directory."""
        return self.rehearsal.folder / "job"

    def verdict(self, damage: Callable[[Path], None]) -> tuple[str, str | None]:
        """What becomes of the damaged job, and what is wrong with that, if anything."""
        self._put_back()
        damage(self.folder)
        sent = len(self.rehearsal.requests)
        try:
            summary = self.rehearsal.run()
        except (InputError, StorageError) as error:
            if len(self.rehearsal.requests) > sent:
                return REFUSED, f"is refused after requests were sent: {error}"
            return REFUSED, None if any(advice in str(error) for advice in _ADVICE) else f"no advice: {error}"
        except BatchrunError as error:
            return STOPPED, f"ends with {type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001 - a bug is what is looked for
            return STOPPED, f"is a bug: {type(error).__name__}: {error}"
        if repeated := self.rehearsal.simulator.stats()["runs_repeated"]:
            return WENT_ON, f"{repeated} rows are submitted twice"
        if summary.exit_code == ExitCode.STORAGE:
            gc.collect(1)  # SQLite keeps a file open while the traceback of an error has a cursor
            told = any(word in str(summary.reason) for word in ("damaged", "malformed", *_ADVICE))
            return STOPPED, None if told else f"says only: {summary.reason}"
        return self._compared()

    def _compared(self) -> tuple[str, str | None]:
        found, altered = self.rehearsal.row_results(), False
        if sorted(found) != sorted(self.expected):
            return WENT_ON, f"rows in the results: {sorted(found)}"
        for row, (state, result) in found.items():
            expected = self.expected[row]
            if (state, result) == expected or (state == "in_doubt" and row in self.unanswered):
                continue
            if not (state == expected[0] == "completed" and _is_within(result, expected[1])):
                return WENT_ON, f"row {row} is {(state, str(result)[:80])}, not {(expected[0], str(expected[1])[:80])}"
            altered = True
        return ALTERED if altered else WENT_ON, None

    def _put_back(self) -> None:
        """The database keeps its inode: it was damaged in its place, and not copied."""
        for path in self.folder.iterdir():
            if path.name not in {CHECKPOINT, LOCK}:
                path.unlink()
        for name, content in self.files.items():
            (self.folder / name).write_bytes(content)
        restore(self.rehearsal, self.service)


def _is_within(output: str | None, expected: str | None) -> bool:
    """Whether the damage is within the text of an output."""
    return output is not None and expected is not None and abs(len(output) - len(expected)) <= 3


def job_to_damage(folder: Path, kind: str) -> DamagedJob:
    """A job that was `killed` in the middle, one that has `ended`, or one that was killed with a `large` checkpoint.

    The log of the last one was written back into the database before.
    """
    rows = [{"id": str(row), "text": "x" * 500} for row in range(48)]
    rehearsal, taken = Rehearsal(folder, rows, *FAULTS), list[tuple[dict[str, bytes], ServiceState]]()
    logging.getLogger("batchrun").setLevel(logging.ERROR)

    def take() -> None:
        files = {path.name: path.read_bytes() for path in (folder / "job").iterdir() if not path.name.endswith("-shm")}
        taken.append((files, ServiceState(rehearsal.store._db.serialize(), rehearsal.clock.now())))

    rehearsal.options |= {"rps": 20}
    if kind == "large":
        rehearsal.run(limit=34)
        with closing(sqlite3.connect(folder / "job" / CHECKPOINT)) as db:
            db.execute("CREATE TABLE padding (content)")
            db.execute("INSERT INTO padding VALUES (zeroblob(?))", (PADDING,))
            db.commit()
    if kind != "ended":
        rehearsal.scheduled = [(1.7, take)]
    rehearsal.run()
    if kind == "ended":
        take()
    (files, service), expected = taken[0], rehearsal.row_results()
    (place := folder / "taken").mkdir()
    for name, content in files.items():
        (place / name).write_bytes(content)
    doubtful = unanswered(contents_of(place / CHECKPOINT))
    if kind == "large":
        with closing(sqlite3.connect(place / CHECKPOINT)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        files = {path.name: path.read_bytes() for path in place.iterdir()}
    shutil.rmtree(place)
    size = len(files[CHECKPOINT]) - (PADDING if kind == "large" else 0)
    return DamagedJob(rehearsal, files, size, service, doubtful, expected)
