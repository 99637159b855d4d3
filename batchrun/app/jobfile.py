"""`job.toml`: the resolved job, and any TOML file of options."""

import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from batchrun.adapters.files import atomic_write
from batchrun.errors import InputError
from batchrun.job import Job

_PATHS = ("input", "out", "token_file", "checkpoint_dir", "ca_file")


def read_options(path: Path) -> dict[str, Any]:
    """The options of a TOML file by field name; paths are relative to the file."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not TOML: {error}") from None
    options = {name.replace("-", "_"): value for name, value in values.items()}
    for name in _PATHS:
        if isinstance(options.get(name), str):
            options[name] = path.parent.absolute() / options[name]
    return options


def write_job(path: Path, job: Job) -> None:
    """Write the resolved job, readable by its owner only; there is no secret in it."""
    values: dict[str, Any] = {}
    for name, value in job.model_dump().items():
        if value is None or value in ([], {}) or name == "const":
            continue
        values[name.replace("_", "-")] = str(value.absolute()) if isinstance(value, Path) else value
    if job.out is None:
        values["out"] = str(job.folder.absolute())
    # TOML has no null: such constants stand in the checkpoint alone, which is asked for all of them on resuming.
    if const := {name: value for name, value in job.const.items() if not _holds_null(value)}:
        values["const"] = const
    head = (
        "# The job as it was resolved. `batchrun resume` starts from here; it is also a file for `batchrun run -c`.\n"
    )
    atomic_write(path, (head + tomli_w.dumps(values)).encode())


def _holds_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_null, value.values()))
    return any(map(_holds_null, value)) if isinstance(value, list) else value is None


def with_recorded_checkpoint(job: Job) -> Job:
    """The job with the checkpoint where its run directory says that it is; refuses another one."""
    path = job.folder / "job.toml"
    if not path.exists():
        return job
    recorded = read_options(path).get("checkpoint_dir")
    present = None if job.checkpoint_dir is None else job.checkpoint_dir.absolute()
    if recorded == present or (present == job.folder.absolute() and recorded is None):
        return job
    if present is None:
        return job.model_copy(update={"checkpoint_dir": recorded})
    where = recorded or job.folder
    raise InputError(
        f"{job.folder}: the checkpoint of its job is in {where}, not in {present}.\n"
        "Leave out --checkpoint-dir, choose another directory with -o, or set this one aside with --fresh."
    )
