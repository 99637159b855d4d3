"""Marks: how far the POST of each `submitting` row has come, in memory that survives the death of the process.

The checkpoint records a row as `submitting` before its POST leaves, and the outcome after the answer. A process that is
killed between the two leaves the question how far it came. To write each step to disk would cost a sync. The marks are
in a memory-mapped file beside the checkpoint instead. After a SIGKILL the kernel still has its pages, so no sync is
needed. After a power cut they may be of any age, so they count only within the same boot (see `surviving_marks`).

A row in progress has one slot of the file. Its first byte is one of:

    FREE      no row
    PREPARED  the service has not received the POST, or has refused it: stored before the intent is recorded
    SENT      the POST is handed to the socket: stored by the transport immediately before that
    ANSWERED  an answer was read, and the slot holds the event that the checkpoint is about to record

Each byte is stored after what it refers to, so a slot is never half written. A slot is free again when the checkpoint
has committed what became of the row. A row without a slot proves nothing.
"""

import logging
import mmap
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from struct import Struct
from zlib import crc32

import msgspec

from batchrun.adapters.checkpoint.entries import AnyEntry
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.adapters.files.atomic import is_at
from batchrun.adapters.files.boot import boot_id
from batchrun.adapters.files.filesystem import filesystem_of
from batchrun.domain.events import Accepted, Refunded, RefusedForGood, RefusedForNow, RowEvent, SubmitStarted
from batchrun.domain.frozen import Frozen
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.errors import StorageError

log = logging.getLogger("batchrun")

FREE, PREPARED, SENT, ANSWERED = 0, ord("P"), ord("S"), ord("A")

SLOT_BYTES = 2048
SPARE_SLOTS = 256
"""Slots beyond one for each connection: for answered rows that are not committed yet."""
MAX_SLOTS = 16_384
"""32 MiB. With more rows in progress than slots, the others have no marks."""

FILE_HEADER = Struct("<16s32sQ")
MAGIC = b"batchrun marks 1"
ROW, ROW_AT = Struct("<QI"), 8
"""The row and the attempt, and where they are in a slot."""
EVENT, EVENT_AT = Struct("<BII"), 20
"""The kind of an event (its position in `EVENTS`), its length and its checksum."""
PAYLOAD_AT = 32

EVENTS: tuple[type[Accepted | Refunded | RefusedForNow | RefusedForGood], ...] = (
    Accepted,
    Refunded,
    RefusedForNow,
    RefusedForGood,
)
"""The events that prove what became of a POST, without its output: a synchronous output is not kept in a slot."""
_KINDS: dict[type, int] = {event: kind for kind, event in enumerate(EVENTS)}

_MAY_NEED_SPACE = frozenset({"btrfs", "bcachefs"})
"""File systems that need new blocks when an existing page changes: on a full disk the process would die of SIGBUS."""


class MarksFile(Frozen, frozen=True):
    """What the checkpoint records about the file with the marks of a session."""

    boot: str
    device: int
    inode: int
    session: int
    key: str
    """A random text that is in the file as well."""


class Marks:
    """The marks of one session. They exist from `start` on; without it, nothing is stored.

    `start` and `close` use the disk. The other methods only write to memory.
    """

    def __init__(self, checkpoint: Checkpoint, path: Path, session: int) -> None:
        self._checkpoint = checkpoint
        self._path = path
        self._session = session
        self._memory: mmap.mmap | bytearray = bytearray()
        self._descriptor: int | None = None
        self._free: list[int] = []
        self._slots: dict[int, int] = {}
        """The position of the slot of each row in progress."""
        self._encode = msgspec.msgpack.Encoder().encode

    def start(self, connections: int) -> None:
        """Create the file, for a transport that stores marks. If that is not possible, the session has no marks.

        Raises `StorageError` if the checkpoint cannot record the file.
        """
        boot = boot_id()
        if boot is None or filesystem_of(self._path.parent) in _MAY_NEED_SPACE:
            return
        slots = min(connections + SPARE_SLOTS, MAX_SLOTS)
        temporary, key = self._path.with_name(f".{self._path.name}.tmp"), secrets.token_hex(16)
        header = FILE_HEADER.pack(MAGIC, key.encode(), self._session)
        try:
            temporary.unlink(missing_ok=True)
            descriptor = self._descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._memory = _mapped(descriptor, header, SLOT_BYTES * (slots + 1))
            found = os.fstat(descriptor)
            file = MarksFile(boot, found.st_dev, found.st_ino, self._session, key)
            self._checkpoint.set_meta(marks=msgspec.json.encode(file).decode())
            temporary.replace(self._path)
        except (OSError, ValueError, StorageError) as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            if isinstance(error, StorageError):
                raise
            log.info("%s: cannot be created, so a kill may leave more rows in doubt: %s", self._path, error)
            return
        self._free = [SLOT_BYTES * number for number in range(slots, 0, -1)]

    def close(self) -> None:
        """Remove the file, unless it has marks of rows whose outcome is not in the checkpoint."""
        if isinstance(self._memory, mmap.mmap):
            self._memory.close()
        if self._descriptor is None:
            return
        with suppress(OSError):
            if not self._slots and is_at(self._descriptor, self._path):
                self._path.unlink()
        os.close(self._descriptor)
        self._free, self._descriptor = [], None

    # -- from the transport

    def sent(self, row: int) -> None:
        """The POST of `row` is about to be handed to the socket."""
        if (slot := self._slots.get(row)) is not None:
            self._memory[slot] = SENT

    def not_accepted(self, row: int) -> None:
        """An answer proved that the service did not accept the POST of `row`, which may be sent again."""
        if (slot := self._slots.get(row)) is not None:
            self._memory[slot] = PREPARED

    # -- from the journal

    def record(self, row: Row, event: RowEvent) -> None:
        """`row` is about to be recorded after `event`."""
        if type(event) is SubmitStarted:
            if self._free:
                slot = self._slots[row.row] = self._free.pop()
                ROW.pack_into(self._memory, slot + ROW_AT, row.row, row.attempts)
                self._memory[slot] = PREPARED
        elif (known_slot := self._slots.get(row.row)) is not None:
            self._answered(known_slot, event)

    def _answered(self, slot: int, event: RowEvent) -> None:
        memory = self._memory
        if type(event) is Refunded and memory[slot] == PREPARED:
            return  # nothing was sent
        memory[slot] = SENT
        if (kind := _KINDS.get(type(event))) is None:
            return
        try:
            payload = self._encode(event)
        except (ValueError, OverflowError):  # text that is not UTF-8, or a number of more than 64 bits
            return
        if len(payload) <= SLOT_BYTES - PAYLOAD_AT:
            start = slot + PAYLOAD_AT
            memory[start : start + len(payload)] = payload
            EVENT.pack_into(memory, slot + EVENT_AT, kind, len(payload), crc32(payload))
            memory[slot] = ANSWERED

    def committed(self, entries: Sequence[AnyEntry], results: Sequence[Exception | None]) -> None:
        """These entries are in the checkpoint, except for those with an error."""
        if not self._slots:
            return
        submitting = State.SUBMITTING
        for entry, error in zip(entries, results, strict=True):
            row = entry.row
            if row.state is not submitting and error is None:
                slot = self._slots.pop(row.row, None)
                if slot is not None:
                    self._memory[slot] = FREE
                    self._free.append(slot)


def _mapped(descriptor: int, header: bytes, size: int) -> mmap.mmap:
    """Map the file into memory. All of its blocks and pages exist, so that a store cannot fail later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    content = memoryview(header.ljust(size, b"\0"))
    while content:
        content = content[os.write(descriptor, content) :]
    memory = mmap.mmap(descriptor, size)
    memory[:] = memory[:]  # touch each page
    return memory
