"""The power is cut at any moment: whatever the disk may have kept, the next command goes on, and nothing is lost.

The product's own commands run over file operations of SQLite and of Python that are recorded. The states of the disk
are those of `tests.support.disk_model`. In each the checkpoint must be found as after a commit, and not after an
earlier one than the last that had returned; results, summary and job file must be the old or the new ones. From some
states the same command goes on to the end of the job: every row is in the results once, none was submitted twice, and
only rows whose answer was not recorded are in doubt.

Controls show that this can fail: `synchronous=NORMAL`, files that are not synced before they are renamed, and marks
that are believed although the machine has booted.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from batchrun.adapters.checkpoint.marks import MarksFile
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.filenames import CHECKPOINT, MARKS, sqlite_files
from batchrun.errors import BatchrunError
from tests.harness.figures import Chunk, Figure
from tests.support.disk_model import CrashState, Synced
from tests.support.power_cuts import RecordedJob, contents_of, observe, record, restore, unanswered
from tests.support.rehearsal import Rehearsal

ROWS = 5
FAULTS = ("latency=0.2", "fault=fail:id=4", "lost=0.1", "unavailable=0.15", "duration=uniform:1,3")
SESSIONS: tuple[dict[str, Any], ...] = ({"max_runtime": 1.5}, {})
"""The options of the sessions. The job ends in the last one."""
VERSION_1 = Path(__file__).parent.parent / "contract" / "version_1.sql"

STATES = "power cuts: states of the disk in which the next command finds the job"
JOBS = "power cuts: jobs that went on to their end"


def chunks(full: bool) -> Sequence[Chunk]:
    """(what, seed, states beside the plain ones at each event, one in so many is tried, one in so many is resumed)."""
    if not full:
        return [
            ("job", 1, 1, 3, 10),
            ("short log", 2, 1, 3, 10),
            ("marks", 3, 1, 40, 1),
            ("upgrade", 1, 2, 2, 2),
            ("NORMAL", 1, 1, 8, 0),
            ("not synced", 1, 1, 8, 0),
            ("marks of this boot", 3, 0, 1, 8),
        ]
    jobs = [(what, seed, 30, 1, 10) for what in ("job", "short log") for seed in range(1, 9)]
    marks = [("marks", seed, 10, 10, 1) for seed in range(1, 9)]
    controls = [("NORMAL", 1, 10, 1, 0), ("not synced", 1, 10, 1, 0), ("marks of this boot", 3, 0, 1, 2)]
    return [*jobs, *marks, ("upgrade", 1, 100, 1, 4), *controls]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:
    """Cut the power of one job in many states."""
    what, seed = str(chunk[0]), int(chunk[1])
    if what == "upgrade":
        return _tried(_upgraded(folder), chunk, _open_again)
    rehearsal = Rehearsal(folder, ROWS, *FAULTS, seed=seed)
    rehearsal.options |= {"rps": 4}
    if what.startswith("marks"):
        rehearsal.on_prepared = lambda prepared: prepared.marks.start(1)
    results = dict[int, tuple[str, str | None]]()

    def act(note: Callable[[object], None]) -> None:
        observe(rehearsal, note)
        for options in SESSIONS:
            rehearsal.run(**options)
        results.update(rehearsal.row_results())

    job = record(folder, act, partial(_rewritten, what))
    go_on = partial(_go_on, rehearsal, results, None if what == "marks of this boot" else "another boot")
    match what:
        case "NORMAL":
            return [_control("with synchronous=NORMAL", _tried(job, chunk, go_on)[0])]
        case "not synced":
            is_synced = [not isinstance(event, Synced) or job.is_database(event.file) for event in job.events]
            job.events = [event for event, kept in zip(job.events, is_synced, strict=True) if kept]
            return [_control("with files that are not synced", _tried(job, chunk, go_on)[0])]
        case "marks of this boot":
            return [_control("with marks that are believed", _tried(job, chunk, go_on)[1])]
    return _tried(job, chunk, go_on)


def _rewritten(what: str, statement: str) -> str:
    """A statement of the product. A short log is written back into the database in the middle of a small job too."""
    match what:
        case "NORMAL":
            return statement.replace("synchronous = FULL", "synchronous = NORMAL")
        case "short log":
            return statement.replace("wal_autocheckpoint = 2000", "wal_autocheckpoint = 12")
    return statement


def _upgraded(folder: Path) -> RecordedJob:
    """A checkpoint of the first version is opened, and so becomes one of the present version."""
    (folder / "job").mkdir()
    path = folder / "job" / CHECKPOINT
    with closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_1.read_text("utf-8"))
        db.execute("PRAGMA journal_mode = WAL")
    return record(folder, lambda _note: Checkpoint(path).close())


def _open_again(job: RecordedJob, _state: CrashState) -> str | None:
    path = job.folder / "job" / CHECKPOINT
    Checkpoint(path).close()
    return None if contents_of(path) == job.commits[-1] else "is not what it should be after the upgrade"


def _tried(
    job: RecordedJob, chunk: Chunk, go_on: Callable[[RecordedJob, CrashState], str | None]
) -> tuple[Figure, Figure]:
    seed, most, one_in, resumed_one_in = map(int, chunk[1:])
    states, resumed, wrong, wrong_later = 0, 0, list[str](), list[str]()
    for state in job.states(seed, most, one_in):
        if chunk[0] == "marks of this boot" and not state.is_whole:
            continue
        states += 1
        if (problem := job.problem(state)) is not None:
            wrong.append(f"{chunk}: {job.where(state)}: {problem}")
        elif resumed_one_in and states % resumed_one_in == 0:
            resumed += 1
            if (problem := go_on(job, state)) is not None:
                wrong_later.append(f"{chunk}: {job.where(state)}: {problem}")
    return Figure(STATES, states, wrong), Figure(JOBS, resumed, wrong_later)


def _go_on(
    rehearsal: Rehearsal,
    expected: dict[int, tuple[str, str | None]],
    boot: str | None,
    job: RecordedJob,
    state: CrashState,
) -> str | None:
    """Run the same command to the end of the job. `boot`: the boot in which the power was cut; None: this one."""
    doubtful = unanswered(contents_of(rehearsal.folder / "job" / CHECKPOINT))
    restore(rehearsal, job.service(state))
    _let_marks_be_of(rehearsal.folder / "job", boot)
    try:
        rehearsal.run()
    except BatchrunError as error:
        return f"the next command ends with {error}"
    results = rehearsal.row_results()
    if sorted(results) != list(range(ROWS)):
        return f"rows in the results: {sorted(results)}"
    if repeated := rehearsal.simulator.stats()["runs_repeated"]:
        return f"{repeated} rows were submitted twice"
    for row, result in results.items():
        if result != expected[row] and not (result[0] == "in_doubt" and row in doubtful):
            return f"row {row} is {result}, and not {expected[row]}"
    return None


def _let_marks_be_of(job: Path, boot: str | None) -> None:
    """The file with the marks is the recorded one, of this boot. (Its copy has another inode.)"""
    if not (job / MARKS).exists():
        return
    found = (job / MARKS).stat()
    database, log, _ = sqlite_files(job / CHECKPOINT)
    with closing(sqlite3.connect(database, isolation_level=None)) as db:
        for (text,) in db.execute("SELECT value FROM meta WHERE name = 'marks'").fetchall():
            recorded = msgspec.json.decode(text, type=MarksFile)
            changed = msgspec.structs.replace(
                recorded, boot=boot or recorded.boot, device=found.st_dev, inode=found.st_ino
            )
            db.execute("UPDATE meta SET value = ? WHERE name = 'marks'", (msgspec.json.encode(changed).decode(),))
        files = {path: path.read_bytes() for path in (database, log)}
    for path, content in files.items():  # SQLite has just removed the log
        path.write_bytes(content)


def _control(what: str, found: Figure) -> Figure:
    lost = len(found.violations)
    wrong = [] if lost else [f"{what} nothing was lost, so this test cannot fail"]
    return Figure(f"power cuts {what}, a control", found.tried, wrong, f"{lost:,} lose something, as they must")
