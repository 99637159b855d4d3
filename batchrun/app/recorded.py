"""The recorded job: what is pinned, and what differs from it."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import msgspec

from batchrun.adapters.checkpoint import Checkpoint
from batchrun.adapters.tables import FileStamp, Fingerprint, Inspection, Survey
from batchrun.dialects import DIALECTS
from batchrun.job import PINNED, Job, option_name


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the checkpoint knows of its job as a whole."""

    pinned: dict[str, Any]
    fingerprint: Fingerprint
    stamp: FileStamp
    seed: int
    survey: Survey | None
    checked: str | None = None
    """What stands for the last check of all rows against a schema that was passed."""


def recorded(meta: dict[str, str]) -> Recorded | None:
    """What was recorded; None in a new checkpoint."""
    if "pinned" not in meta:
        return None
    return Recorded(
        msgspec.json.decode(meta["pinned"]),
        msgspec.json.decode(meta["fingerprint"], type=Fingerprint),
        msgspec.json.decode(meta["stamp"], type=FileStamp),
        int(meta["seed"]),
        msgspec.json.decode(meta["survey"], type=Survey) if "survey" in meta else None,
        meta.get("checked"),
    )


def pinned_facts(job: Job) -> dict[str, Any]:
    """What makes `job` this job, in the form in which it is recorded."""
    facts: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(job.pinned(DIALECTS[job.api].default_base_url)))
    return facts


def record(checkpoint: Checkpoint, job: Job, found: Inspection, seed: int, checked: str | None) -> None:
    """Record the job, and its input as it was found."""
    checkpoint.set_meta(
        pinned=_json(pinned_facts(job)),
        fingerprint=_json(found.fingerprint),
        stamp=_json(found.table.stamp),
        survey=_json(found.survey),
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
        and (before.get(name) or None) != (value or None)  # what an earlier version did not know was not given
        and not (name == "base_url" and before.get("simulate") != now.get("simulate"))
    ]


def _shown(value: object) -> str:
    return "not given" if value in (None, [], {}) else repr(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
