"""The recorded job: what is pinned, and what differs from it."""

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.app.job_file import read_options
from batchrun.app.run_directory import directory_of
from batchrun.domain.filenames import JOB
from batchrun.domain.fingerprint import FileStamp, Fingerprint, Inference
from batchrun.domain.input_formats import stem
from batchrun.errors import InputError
from batchrun.job import PINNED, Job, build_job, option_name

if TYPE_CHECKING:
    from batchrun.adapters.tables import Inspection


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the checkpoint knows of its job as a whole."""

    pinned: dict[str, Any]
    fingerprint: Fingerprint
    stamp: FileStamp
    seed: int
    inference: Inference | None
    checked: str | None = None
    """What stands for the last check of all rows against a schema that was passed."""
    callback_key: str | None = None
    """The secret behind the addresses of callbacks; None where there were none so far."""


def recorded(meta: dict[str, str]) -> Recorded | None:
    """What was recorded; None in a new checkpoint."""
    if "pinned" not in meta:
        return None
    return Recorded(
        msgspec.json.decode(meta["pinned"]),
        msgspec.json.decode(meta["fingerprint"], type=Fingerprint),
        msgspec.json.decode(meta["stamp"], type=FileStamp),
        int(meta["seed"]),
        msgspec.json.decode(meta["survey"], type=Inference) if "survey" in meta else None,
        meta.get("checked"),
        meta.get("callback_key"),
    )


def recorded_in(checkpoint: Path) -> Recorded | None:
    """What a checkpoint has recorded of its job; raises `InputError` where there is none."""
    with connection.open_reader(checkpoint) as db:
        return recorded(reader.meta(db))


def recorded_job(folder: Path) -> Job:
    """The job of a run directory, as `job.toml` has it; raises `InputError` where there is none."""
    path = folder / JOB
    if not path.exists():
        if folder.is_dir():
            raise InputError(f"{folder}: holds no job (no {JOB})")
        what = "is a file" if folder.exists() else "no such directory"
        raise InputError(f"{folder}: {what}; name the run directory of a job, such as {stem(folder)}-run")
    file = read_options(path)
    job = build_job(file.values | {"out": folder}, file.places)
    known = recorded_in(directory_of(job).checkpoint)
    return job if known is None else job.model_copy(update={"const": known.pinned["const"]})


def pinned_facts(job: Job) -> dict[str, Any]:
    """What makes `job` this job, in the form in which it is recorded."""
    facts: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(job.pinned()))
    return facts


def record(
    checkpoint: Checkpoint, job: Job, found: "Inspection", seed: int, *, checked: str | None, callback_key: str | None
) -> None:
    """Record the job, and its input as it was found."""
    secrets = {} if callback_key is None else {"callback_key": callback_key}
    checkpoint.set_meta(
        **secrets,
        pinned=_json(pinned_facts(job)),
        fingerprint=_json(found.fingerprint),
        stamp=_json(found.table.stamp),
        survey=_json(found.inference),
        seed=str(seed),
        input=str(job.input.absolute()),
        **({} if checked is None else {"checked": checked}),
    )


def differences(before: dict[str, Any], now: dict[str, Any], names: Container[str] = PINNED) -> list[str]:
    """What is another in `now` than it was, of the options in `names`, a line each."""
    return [
        f"{option_name(name)} was {_shown(before.get(name))}, now it is {_shown(value)}"
        for name, value in now.items()
        if name in names
        and _text(before.get(name)) != _text(value)
        and not (name == "base_url" and before.get("simulate") != now.get("simulate"))
    ]


def _text(value: object) -> bytes:
    """A fact as it is compared: by what is sent, so that 1, 1.0 and true, which Python takes for equal, are three.

    What an earlier version did not know was not given.
    """
    return msgspec.json.encode(value or None, order="sorted")


def _shown(value: object) -> str:
    return "not given" if value in (None, [], {}) else repr(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
