"""The marks that a killed session has left: what they prove about rows that were being submitted."""

from pathlib import Path
from zlib import crc32

import msgspec

from batchrun.adapters.checkpoint import session_reader
from batchrun.adapters.checkpoint.marks import (
    ANSWERED,
    EVENT,
    EVENT_AT,
    EVENTS,
    FILE_HEADER,
    FREE,
    MAGIC,
    PAYLOAD_AT,
    PREPARED,
    ROW,
    ROW_AT,
    SLOT_BYTES,
    MarksFile,
)
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.adapters.files.boot import boot_id
from batchrun.domain.events import Refunded, RowEvent
from batchrun.domain.row import Row


class SurvivingMarks:
    """The marks of an earlier session that was killed."""

    def __init__(self, session: int | None = None, slots: dict[tuple[int, int], bytes] | None = None) -> None:
        self.session = session
        """The session that stored them."""
        self._slots = slots or {}

    def was_sent(self, row: Row) -> bool:
        """Whether the POST of a `submitting` row may have left."""
        return self._slots.get((row.row, row.attempts), b"S")[0] != PREPARED

    def outcome(self, row: Row, now: int) -> RowEvent | None:
        """What became of the POST of a `submitting` row; None if nothing shows it."""
        if not self.was_sent(row):
            return Refunded(now)
        slot = self._slots.get((row.row, row.attempts))
        if slot is None or slot[0] != ANSWERED:
            return None
        kind, length, checksum = EVENT.unpack_from(slot, EVENT_AT)
        payload = slot[PAYLOAD_AT : PAYLOAD_AT + length]
        if kind >= len(EVENTS) or len(payload) != length or crc32(payload) != checksum:
            return None
        try:
            event: RowEvent = msgspec.msgpack.decode(payload, type=EVENTS[kind])
        except msgspec.DecodeError:
            return None
        return event


def surviving_marks(checkpoint: Checkpoint, path: Path) -> SurvivingMarks:
    """The marks of the session that was killed; none if they may be outdated, or of another job.

    They count only in the boot and in the very file that the checkpoint has recorded, because another file is a copy,
    which may be older than the checkpoint. They do not count if a later session has sent anything.
    """
    try:
        recorded = msgspec.json.decode(checkpoint.meta().get("marks", "null"), type=MarksFile | None)
    except msgspec.DecodeError:
        recorded = None
    if (
        recorded is None
        or recorded.boot != boot_id()
        or checkpoint.read(lambda db: session_reader.has_submitted_since(db, recorded.session))
    ):
        return SurvivingMarks()
    try:
        found = path.stat(follow_symlinks=False)
        content = path.read_bytes() if (found.st_dev, found.st_ino) == (recorded.device, recorded.inode) else b""
    except OSError:
        return SurvivingMarks()
    if content[: FILE_HEADER.size] != FILE_HEADER.pack(MAGIC, recorded.key.encode(), recorded.session):
        return SurvivingMarks()
    slots = {}
    for start in range(SLOT_BYTES, len(content) - SLOT_BYTES + 1, SLOT_BYTES):
        if content[start] != FREE:
            slot = content[start : start + SLOT_BYTES]
            slots[ROW.unpack_from(slot, ROW_AT)] = slot
    return SurvivingMarks(recorded.session, slots)
