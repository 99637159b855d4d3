"""Reads and writes `job.toml`, the resolved job, and reads other TOML files of options."""

import re
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec
import tomli_w

from batchrun.adapters.files.atomic import atomic_write
from batchrun.adapters.files.kinds import refuse_special_files
from batchrun.domain.filenames import CHECKPOINT, JOB
from batchrun.domain.marked_text import decode_marked
from batchrun.errors import InputError
from batchrun.job import Job


def _is_path(annotation: object) -> bool:
    return annotation is Path or any(map(_is_path, get_args(annotation)))


_HEAD = "# The job as it was resolved."

_PATHS = [name for name, info in Job.model_fields.items() if _is_path(info.annotation)] + ["log_file"]
"""The options that are paths, with the one that is not part of the job."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """The options of a TOML file by field name, and the location of each (`job.toml, line 3: rps`)."""

    values: dict[str, Any]
    locations: dict[str, str]


def read_options(path: Path) -> FileOptions:
    """Read the options of a TOML file. Paths are relative to the file. Raises `InputError` if it cannot be read."""
    try:
        text = decode_marked(path.read_bytes())
        values = tomllib.loads(text)
    except IsADirectoryError:
        hint = f"; name the file: {path / JOB}" if (path / JOB).exists() else ""
        raise InputError(f"{path}: is a directory, not a file of options{hint}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not valid TOML: it is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}") from None
    fields = {name: name.replace("-", "_") for name in values}
    if duplicates := [name for name, field in fields.items() if name != field and field in values]:
        raise InputError(*(f"{path}: {name} is given twice, with a dash and with an underscore" for name in duplicates))
    options = {fields[name]: value for name, value in values.items()}
    for name in _PATHS:
        value = options.get(name)
        if isinstance(value, str) and value.strip() and not value.startswith("~") and "://" not in value:
            options[name] = path.parent.absolute() / value
    if isinstance(options.get("score"), dict):
        options["score"] = {name: _from_file(path, name, given) for name, given in options["score"].items()}
    return FileOptions(options, {fields[name]: f"{path}{_line(text, name)}: {name}" for name in values})


def _from_file(path: Path, name: str, scorer: object) -> object:
    """A scorer in a file of options: its file of Python is relative to that file. A mistake is reported elsewhere."""
    from batchrun.scoring.specs import absolute, parse_score, parse_score_table  # noqa: PLC0415 - few jobs have scorers

    with suppress(InputError):
        if isinstance(scorer, str):
            return absolute(parse_score(f"{name}={scorer}"), path.parent.absolute()).as_table()
        if isinstance(scorer, dict):
            return absolute(parse_score_table(name, scorer), path.parent.absolute()).as_table()
    return scorer


def _line(text: str, name: str) -> str:
    """The line of an option: the first line in which its name is a key or a table."""
    found = re.search(rf"""^[ \t]*\[?[ \t]*["']?{re.escape(name)}["']?[ \t]*[].=]""", text, re.M)
    return "" if found is None else f", line {text.count(chr(10), 0, found.end()) + 1}"


_TABLES = frozenset({"const", "vary", "variant"})
"""Options whose values may contain a null."""


def write_job(path: Path, job: Job) -> None:
    """Write the resolved job, without any secrets, readable by its owner only."""
    values: dict[str, Any] = {}
    for name, value in job.model_dump().items():
        if value is None or value in ([], {}) or name in _TABLES:
            continue
        values[name.replace("_", "-")] = str(value.absolute()) if isinstance(value, Path) else value
    if job.out is None:
        values["out"] = str(job.folder.absolute())
    variants = [table.model_dump(by_alias=True, exclude_none=True) for table in job.variant or ()]
    for name, table in (("const", job.const), ("vary", job.vary), ("variant", variants)):
        if table:  # TOML has no null, so a table that contains one is written as JSON text
            values[name] = msgspec.json.encode(table).decode() if _holds_null(table) else table
    head = f"{_HEAD} `batchrun resume` starts from here; it is also a file for `batchrun run -c`.\n"
    atomic_write(path, (head + tomli_w.dumps(values)).encode())


def was_resolved(path: Path) -> bool:
    """Whether the file was written by `write_job`, and not by hand."""
    try:
        return path.is_file() and path.read_bytes().startswith(_HEAD.encode())
    except OSError:
        return False


def name_checkpoint_dir(path: Path, folder: Path) -> None:
    """Let the job in this `job.toml` have its checkpoint in `folder`."""
    if path.exists():
        line = tomli_w.dumps({"checkpoint-dir": str(folder)})
        text = re.sub(r"(?m)^checkpoint-dir = .*\n", lambda _: line, path.read_text("utf-8"))
        atomic_write(path, text.encode())


def _holds_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_null, value.values()))
    return any(map(_holds_null, value)) if isinstance(value, list) else value is None


def with_pinned_checkpoint_dir(job: Job) -> Job:
    """The job with the checkpoint directory that is stored in its `job.toml`. Refuses a different one."""
    path = job.folder / JOB
    refuse_special_files(job.folder)
    if not path.exists():
        return job
    stored_dir = read_options(path).values.get("checkpoint_dir")
    requested_dir = None if job.checkpoint_dir is None else job.checkpoint_dir.absolute()
    if stored_dir == requested_dir or (requested_dir == job.folder.absolute() and stored_dir is None):
        return job
    if requested_dir is None:
        return job.model_copy(update={"checkpoint_dir": stored_dir})
    where = stored_dir or job.folder
    if not (where / CHECKPOINT).exists() and (requested_dir / CHECKPOINT).exists():
        return job  # it was moved; `find_loss` knows that of another job
    raise InputError(
        f"{job.folder}: the checkpoint of its job is in {where}, not in {requested_dir}.\n"
        "Leave out --checkpoint-dir, choose another directory with -o, or set this one aside with --fresh."
    )
