"""The recorded job: what is pinned, and whether this command is still the same job."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from batchrun.adapters.checkpoint import Checkpoint
from batchrun.adapters.tables import FileStamp, Fingerprint, Table, inspect, stamp
from batchrun.errors import InputError
from batchrun.job import Job, option_name


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the checkpoint knows of its job as a whole."""

    pinned: dict[str, Any]
    fingerprint: Fingerprint
    stamp: FileStamp
    seed: int


def recorded(meta: dict[str, str]) -> Recorded | None:
    """What was recorded; None in a new checkpoint."""
    if "pinned" not in meta:
        return None
    return Recorded(
        msgspec.json.decode(meta["pinned"]),
        msgspec.json.decode(meta["fingerprint"], type=Fingerprint),
        msgspec.json.decode(meta["stamp"], type=FileStamp),
        int(meta["seed"]),
    )


def pin(checkpoint: Checkpoint, job: Job, table: Table, default_base_url: str, seed: int) -> Fingerprint:
    """Record the job, or refuse one that differs from the recorded one; the fingerprint of the input as it is now.

    Raises `InputError` that says what differs, and for every mistake in the input.
    """
    pinned = msgspec.json.decode(msgspec.json.encode(job.pinned(default_base_url)))
    known = recorded(checkpoint.meta())
    present = stamp(job.input)
    problems = [] if known is None else _differences(known.pinned, pinned)
    fingerprint = None
    if known is not None and known.stamp == present:
        fingerprint = known.fingerprint
    elif not problems:
        inspection = inspect(table, job.key, known.fingerprint if known else None)
        fingerprint = inspection.fingerprint
        if inspection.prefix_matches is False:
            problems.append(_changed(job.input, known.fingerprint if known else fingerprint, fingerprint))
    if problems or fingerprint is None:
        raise InputError(
            f"{job.folder}: belongs to another job:",
            *(f"  {problem}" for problem in problems),
            "Choose another directory with -o, or set this one aside with --fresh.",
        )
    checkpoint.set_meta(
        pinned=_json(pinned),
        fingerprint=_json(fingerprint),
        stamp=_json(present),
        seed=str(seed),
        input=str(job.input.absolute()),
    )
    return fingerprint


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"{option_name(name)} was {_shown(before.get(name))}, now it is {_shown(value)}"
        for name, value in now.items()
        if (before.get(name) or None) != (value or None)  # what an earlier version did not know was not given
        and not (name == "base_url" and before.get("simulate") != now.get("simulate"))
    ]


def _changed(path: Path, before: Fingerprint, now: Fingerprint) -> str:
    if now.rows < before.rows:
        return f"INPUT {path} had {before.rows:,} rows, now it has {now.rows:,} (rows may be appended, not taken away)"
    return f"INPUT {path}: its first {before.rows:,} rows are no longer what they were (rows may be appended only)"


def _shown(value: object) -> str:
    return "not given" if value in (None, [], {}) else repr(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
