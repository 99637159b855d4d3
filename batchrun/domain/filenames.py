"""The names of the files in a run directory."""

from pathlib import Path

OUTPUTS = "outputs.parquet"
ERRORS = "errors.parquet"
SCORES = "scores.parquet"
RESULTS = (OUTPUTS, ERRORS)
REPORT = "report.html"

JOB = "job.toml"
SUMMARY = "summary.json"
CHECKPOINT = "checkpoint.db"
LOCK = "checkpoint.lock"
PROGRESS = "progress.json"
MARKS = "checkpoint.marks"
SIMULATOR = "simulator.db"


OWN_FILES = frozenset(
    {*RESULTS, SCORES, JOB, SUMMARY, CHECKPOINT, f"{CHECKPOINT}-wal", f"{CHECKPOINT}-shm", LOCK, PROGRESS}
    | {MARKS, SIMULATOR, REPORT}
)
"""The files that batchrun keeps in a run directory."""


def write_ahead_log(database: Path) -> Path:
    """The write-ahead log that SQLite keeps next to a database."""
    return database.with_name(f"{database.name}-wal")


def sqlite_files(database: Path) -> tuple[Path, ...]:
    """A database and the files that SQLite may keep next to it."""
    return database, write_ahead_log(database), database.with_name(f"{database.name}-shm")


def checkpoint_files(database: Path) -> tuple[Path, ...]:
    """A checkpoint and all files that belong to it."""
    return *sqlite_files(database), database.with_name(PROGRESS), database.with_name(MARKS)
