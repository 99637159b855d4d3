"""The pinned job of a run directory: the options that cannot change, and what is known about its input."""

import logging
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.damage import decoding
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.adapters.files.kinds import refuse_special_files
from batchrun.app.checkpoint_owner import moved_checkpoint
from batchrun.app.job_differences import differences
from batchrun.app.job_file import read_options
from batchrun.app.run_directory import RunDirectory, directory_of
from batchrun.dialects import AUTO, UNSETTLED
from batchrun.domain.filenames import JOB, PROGRESS
from batchrun.domain.fingerprint import FileStamp, Fingerprint, Inference
from batchrun.domain.input_formats import stem
from batchrun.errors import InputError, StorageError
from batchrun.job import Job, build_job

if TYPE_CHECKING:
    from batchrun.adapters.tables import Inspection

log = logging.getLogger("batchrun")


@dataclass(frozen=True, slots=True)
class PinnedJob:
    """The job as stored in its checkpoint."""

    options: dict[str, Any]
    """The options that identify the job, by field name."""
    fingerprint: Fingerprint
    stamp: FileStamp
    seed: int
    inference: Inference | None
    schema_check: str | None = None
    """Digest of the last passed check of all rows against a schema."""
    callback_key: str | None = None
    """The secret from which the callback addresses are derived; None if the job never had callbacks."""
    declared_types: dict[str, str] = field(default_factory=dict)
    """Types of columns of text, by column, as the workflow declared them."""
    input_columns: str | None = None
    """The columns of the input (`recorded_columns`); None in a job of an earlier version."""
    foreign_api: str | None = None
    """Why nothing more is sent: another API answered the first POST. No row has a run_id then."""


def decode_pinned(meta: dict[str, str]) -> PinnedJob | None:
    """Decode the pinned job from a checkpoint's metadata; None in a new checkpoint."""
    if "pinned" not in meta:
        return None
    with decoding():
        return _decoded(meta)


def _decoded(meta: dict[str, str]) -> PinnedJob:
    return PinnedJob(
        msgspec.json.decode(meta["pinned"]),
        msgspec.json.decode(meta["fingerprint"], type=Fingerprint),
        msgspec.json.decode(meta["stamp"], type=FileStamp),
        int(meta["seed"]),
        msgspec.json.decode(meta["survey"], type=Inference) if "survey" in meta else None,
        meta.get("checked"),
        meta.get("callback_key"),
        msgspec.json.decode(meta["declared_types"]) if "declared_types" in meta else {},
        meta.get("input_columns"),
        meta.get("foreign_api"),
    )


def read_pinned(checkpoint: Path) -> PinnedJob | None:
    """Read the pinned job of a checkpoint; None if there is none. Raises `InputError` if there is no checkpoint."""
    with connection.open_reader(checkpoint) as db:
        return decode_pinned(reader.meta(db))


def load_job(folder: Path, *, even_without_checkpoint: bool = False) -> Job:
    """Load the job of a run directory from its `job.toml`. Raises `InputError` if there is none.

    `even_without_checkpoint`: load it, to resume it, although its checkpoint is lost. To read its results, what the
    checkpoint has of it does if its `job.toml` is lost.
    """
    path = folder / JOB
    refuse_special_files(folder)
    if not path.exists():
        if folder.is_dir():
            return _without_job_file(folder, resumes=even_without_checkpoint)
        what = "is a file" if folder.exists() else "no such directory"
        candidates = (f"{stem(folder)}-run", f"{stem(folder)}-simulated", str(folder.parent))
        hints = [name for name in candidates if Path(name, JOB).exists() and Path(name, PROGRESS).exists()]
        hint = f", such as {hints[0]}" if hints else ""
        raise InputError(f"{folder}: {what}; name the run directory of a job{hint}")
    file = read_options(path)
    if "input" not in file.values or "workflow_id" not in file.values:
        raise InputError(
            f"{folder}: holds no job: its {JOB} names no input and workflow. "
            f"To start a job from it: batchrun run -c {path}"
        )
    job = build_job(file.values | {"out": folder}, file.locations)
    if not even_without_checkpoint and (problem := moved_checkpoint(directory_of(job))) is not None:
        raise InputError(f"{folder}: {problem}")
    if even_without_checkpoint and not directory_of(job).is_used:
        start = f"batchrun run -c {shlex.quote(str(path))} -o DIR"
        raise InputError(f"{folder}: holds no job. Its {JOB} is a job file; start it with: {start}")
    try:
        pinned = read_pinned(directory_of(job).checkpoint)
    except (InputError, StorageError):
        if not even_without_checkpoint:
            raise
        return job
    if pinned is None:
        return job
    # Constants may hold nulls, which TOML does not have, and `resume` may have changed the API.
    known: dict[str, Any] = {name: pinned.options[name] for name in ("const", "api") if name in pinned.options}
    return with_settled_options(job.model_copy(update=known), pinned)


def _without_job_file(folder: Path, *, resumes: bool) -> Job:
    """The job as far as its checkpoint knows it. Raises `InputError` if it `resumes`: the rates are not known."""
    directory = RunDirectory(folder, folder)
    if not directory.checkpoint.exists():
        if directory.is_used:
            raise InputError(f"{folder}: its {JOB} is gone. {_START_AGAIN} (--checkpoint-dir, too, if it had one)")
        raise InputError(f"{folder}: holds no job (no {JOB})")
    with connection.open_reader(directory.checkpoint) as db:
        meta = reader.meta(db)
    pinned = decode_pinned(meta)
    if pinned is None:
        raise InputError(f"{folder}: holds no job (no {JOB}, and nothing in its {directory.checkpoint.name})")
    if resumes:
        simulated = " --simulate" if pinned.options["simulate"] else ""
        words = ("run", meta["input"], "--workflow-id", str(pinned.options["workflow_id"]), "-o", str(folder))
        raise InputError(
            f"{folder}: its {JOB} is gone, and with it the options that may change. {_START_AGAIN}:",
            f"  batchrun {shlex.join(words)}{simulated} …",
        )
    log.warning("%s: its %s is gone, so options such as --limit and --select are not known", folder, JOB)
    return build_job(pinned.options | {"input": meta["input"], "out": folder, "allow_insecure": True})


_START_AGAIN = "To go on, run the command again that began the job, with the same options"


def pinned_options(job: Job) -> dict[str, Any]:
    """The options that identify `job`, as they are stored."""
    options: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(job.pinned()))
    return options


def pin(
    checkpoint: Checkpoint,
    job: Job,
    inspection: "Inspection",
    seed: int,
    *,
    schema_check: str | None,
    callback_key: str | None,
) -> None:
    """Store the job and what is known about its input in the checkpoint."""
    # `status` does without Arrow.
    from batchrun.adapters.results.previous import recorded_columns  # noqa: PLC0415
    from batchrun.app.swept import swept  # noqa: PLC0415

    callback_meta = {} if callback_key is None else {"callback_key": callback_key}
    checkpoint.set_meta(
        job_id=checkpoint.meta().get("job_id") or secrets.token_hex(16),
        **callback_meta,
        pinned=_json(pinned_options(job)),
        fingerprint=_json(inspection.fingerprint),
        stamp=_json(inspection.table.stamp),
        survey=_json(inspection.inference),
        seed=str(seed),
        input=str(job.input.absolute()),
        folder=str(job.folder.absolute()),
        input_columns=recorded_columns(swept(job, inspection.table)),
        **({} if schema_check is None else {"checked": schema_check}),
    )


def pin_api(checkpoint: Checkpoint, api: str) -> None:
    """Pin the dialect that `--api auto` has found out."""
    options = msgspec.json.decode(checkpoint.meta()["pinned"])
    checkpoint.set_meta(pinned=_json(options | {"api": api}))


def record_declared_types(checkpoint: Checkpoint, types: Mapping[str, str]) -> None:
    """Record the types of columns of text that the workflow has declared."""
    checkpoint.set_meta(declared_types=_json(dict(types)))


def unpin(checkpoint: Checkpoint, directory: RunDirectory) -> None:
    """Let the run directory hold no job again: nothing of this one was sent."""
    checkpoint.progress = None
    for path in (directory.job, *directory.progress):
        path.unlink(missing_ok=True)
    checkpoint.delete_meta("pinned")


def with_settled_options(job: Job, pinned: PinnedJob | None) -> Job:
    """The job with the dialect and the types that were found out before, where it does not give them itself."""
    if pinned is None:
        return job
    found: dict[str, Any] = {}
    if job.api == AUTO and not job.simulate:
        found["api"] = pinned.options.get("api", UNSETTLED)
    if pinned.declared_types:
        found["type"] = pinned.declared_types | job.type
    return job.model_copy(update=found)


def unless_replaced(pinned: PinnedJob | None, job: Job, *, is_untouched: bool) -> PinnedJob | None:
    """The pinned job; None if `job` takes its place: it differs, and nothing is recorded of any row."""
    if pinned is None or not is_untouched:
        return pinned
    now = pinned_options(with_settled_options(job, pinned))
    return None if differences(pinned.options, now) else pinned


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
