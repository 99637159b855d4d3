"""Decides which job is the holder.

The lock file names the socket of the holder, which has an flock on it. When the holder is gone, another job can lock
the file, and puts a new one in its place. A holder that does not answer still has its lock: then the file is replaced
without it. A holder is therefore the holder only as long as its file is at the path, and must look before each grant.

The time of the file is that of the last grants, within `TOUCH_SECONDS`. It tells a new holder until when leases of an
earlier one may be valid.
"""

import fcntl
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from batchrun.adapters.files.atomic import is_at
from batchrun.adapters.shared_limits.folder import file_stem, problem_of
from batchrun.adapters.shared_limits.peer import listen
from batchrun.domain.leases import LEASE
from batchrun.errors import StorageError
from batchrun.ports import Clock

TOUCH_SECONDS = 0.5


@dataclass(slots=True)
class Leadership:
    """The right to grant leases. `lease_age`: seconds since another holder can have granted the last one."""

    descriptor: int
    path: Path
    socket_path: Path
    listening: socket.socket
    clock: Clock
    lease_age: float
    touched: int

    def is_current(self) -> bool:
        """Whether this is still the holder. Call it before each grant, with the time of the grant taken before."""
        try:
            if not is_at(self.descriptor, self.path):
                return False
            if abs(self.clock.now() - self.touched) >= 1000 * TOUCH_SECONDS:
                self._touch(self.clock.now())
        except OSError:
            return False
        return True

    def release(self, *, is_idle: bool) -> None:
        """Let another job be the holder. `is_idle`: no lease is valid any more."""
        self.listening.close()
        with suppress(OSError):
            self.socket_path.unlink(missing_ok=True)
            if is_idle:
                self._touch(self.clock.now() - round(1000 * (LEASE + TOUCH_SECONDS)))
        os.close(self.descriptor)

    def _touch(self, milliseconds: int) -> None:
        self.touched = milliseconds
        os.utime(self.descriptor, ns=(milliseconds * 1_000_000, milliseconds * 1_000_000))


class Election:
    """The files of the limits `name` in `folder`."""

    def __init__(self, folder: Path, name: str, clock: Clock) -> None:
        self._folder = folder
        self._stem = file_stem(name)
        self._path = folder / f"{self._stem}.lock"
        self._clock = clock

    def holder(self) -> str | None:
        """The name of the socket of the holder, alive or not; None if there never was one."""
        try:
            name = self._path.read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return None
        return name if name.startswith(f"{self._stem}.") and "/" not in name else ""

    def socket_of(self, holder: str) -> Path:
        """The path of the socket with this name."""
        return self._folder / holder

    def try_to_lead(self, silent: str | None = None) -> Leadership | None:
        """Become the holder if there is none, or if it is the one that is `silent`.

        Raises OSError and `StorageError`.
        """
        if (problem := problem_of(self._folder)) is not None:
            raise StorageError(f"--share-limits: {problem}")
        try:
            old = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return self._install(None, float("inf"))
        try:
            try:
                fcntl.flock(old, fcntl.LOCK_EX | fcntl.LOCK_NB)
                age = (self._clock.now() - os.fstat(old).st_mtime_ns // 1_000_000) / 1000 - TOUCH_SECONDS
            except BlockingIOError:
                if silent is None or self.holder() != silent:
                    return None
                age = 0.0  # it may grant leases until its file is replaced
            if not is_at(old, self._path):
                return None
            return self._install(self.holder(), max(0.0, age))
        finally:
            os.close(old)

    def _install(self, old: str | None, lease_age: float) -> Leadership | None:
        """Put a new lock file in place, with a socket that listens already."""
        name = f"{self._stem}.{os.getpid()}.{secrets.token_hex(4)}"
        listening = listen(self._folder / name)
        temporary = self._folder / f"{name}.tmp"
        now = self._clock.now()
        leadership = None
        try:
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            leadership = Leadership(
                descriptor, self._path, self._folder / name, listening, self._clock, lease_age, touched=now
            )
            os.write(descriptor, f"{name}\n".encode())
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            leadership._touch(now)
            if old is None:
                os.link(temporary, self._path)  # fails if another job was faster
                temporary.unlink()
            else:
                temporary.rename(self._path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            if leadership is None:
                listening.close()
                self.socket_of(name).unlink(missing_ok=True)
            else:
                leadership.release(is_idle=False)
            if isinstance(error, FileExistsError):
                return None
            raise
        if old:
            self.socket_of(old).unlink(missing_ok=True)
        return leadership
