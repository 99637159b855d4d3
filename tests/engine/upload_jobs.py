"""Jobs with a file column."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from batchrun.ports import Request, Response
from tests.support.rehearsal import Rehearsal

DAY = 86_400


def job(folder: Path, rows: Sequence[Mapping[str, str]], *faults: str, **options: Any) -> Rehearsal:
    """A job whose rows have an `id` and a `file`."""
    folder.mkdir(exist_ok=True)
    rehearsal = Rehearsal(folder, rows, "duration=1", *faults, api="open")
    rehearsal.options |= {"file": ["file"], "workflow_id": "file", **options}
    return rehearsal


def rows_of(names: Sequence[str]) -> list[dict[str, str]]:
    return [{"id": str(number), "file": name} for number, name in enumerate(names)]


def write(folder: Path, **contents: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content)


def parameters(body: bytes) -> dict[str, Any]:
    sent: dict[str, Any] = msgspec.json.decode(body)["parameters"]
    return sent


def references(rehearsal: Rehearsal) -> dict[int, Any]:
    """What was sent for the file, by row."""
    return {int((sent := parameters(body))["id"]): sent["file"] for _, body in rehearsal.posts()}


def recorded(rehearsal: Rehearsal) -> list[str]:
    with closing(sqlite3.connect(rehearsal.folder / "job" / "checkpoint.db")) as db:
        return [reference for (reference,) in db.execute("SELECT reference FROM uploads")]


def uploads_answered(rehearsal: Rehearsal, answer: Callable[[int], Response | None]) -> None:
    """Answer upload number 1, 2, … like this; None: as the simulator does."""
    count = 0

    def reply(request: Request) -> Response | None:
        nonlocal count
        if request.content is None:
            return None
        count += 1
        return answer(count)

    rehearsal.answer = reply
