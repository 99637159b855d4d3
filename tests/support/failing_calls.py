"""System calls of this process that fail from now on: a filter in the kernel (seccomp) answers them with an error.

The process needs no rights for that, and cannot take it back. Linux alone.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
import threading
import time
from collections.abc import Sequence

_NUMBERS = {
    "x86_64": {"pwrite64": 18, "fsync": 74, "fdatasync": 75, "rename": 82, "renameat": 264, "renameat2": 316},
    "aarch64": {"pwrite64": 68, "fsync": 82, "fdatasync": 83, "renameat": 38, "renameat2": 276},
}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_FILTER_MODE, _ALL_THREADS, _NO_NEW_PRIVILEGES = 1, 1, 38
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ERROR, _ALLOW = 0x00050000, 0x7FFF0000


def can_fail() -> bool:
    """Whether calls can be made to fail on this machine."""
    return sys.platform == "linux" and platform.machine() in _SECCOMP and os.path.exists("/proc/sys/kernel/seccomp")  # noqa: PTH110


def fail(names: Sequence[str], error: str, after: float = 0.0) -> None:
    """Let these calls of all threads fail with this error (`EIO`), after so many seconds."""
    if not after:
        _install(names, getattr(errno, error))
        return

    def later() -> None:
        time.sleep(after)  # noqa: TID251 - the process runs in real time
        _install(names, getattr(errno, error))

    threading.Thread(target=later, daemon=True).start()


def _install(names: Sequence[str], code: int) -> None:
    machine = platform.machine()
    numbers = [_NUMBERS[machine][name] for name in names if name in _NUMBERS[machine]]
    steps = [(_LOAD, 0, 0, 0)]  # the number of the call
    steps += [(_JUMP_IF_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERROR | code)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    argument = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.syscall(
        _SECCOMP[machine], _FILTER_MODE, _ALL_THREADS, argument
    ):
        raise OSError(ctypes.get_errno(), "the calls cannot be made to fail")
