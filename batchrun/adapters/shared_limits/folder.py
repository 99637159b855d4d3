"""The folder of the sockets and locks: the user's own, the same for all jobs of the user on this machine.

It does not depend on the environment, because a job of cron has another one than a job of a terminal, and it is on a
local disk, because a home directory may be shared by several machines.
"""

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path

SHOWN = 24
"""Characters of a name that are part of a file name; the path of a socket can have about 100."""


def default_folder() -> Path:
    """The folder of this user."""
    return Path(f"/tmp/batchrun-{os.geteuid()}")


def problem_of(folder: Path) -> str | None:
    """Make the folder if it is missing. Returns why it cannot be used, such as that others have access to it."""
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
    except OSError as error:
        return f"{folder} cannot be created: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode):
        return f"{folder} is not a folder; remove it"
    if found.st_uid != os.geteuid():
        return f"{folder} belongs to another user; have it removed"
    if stat.S_IMODE(found.st_mode) & 0o077:
        return f"others have access to {folder}; run chmod 700 {folder}"
    return None


def file_stem(name: str) -> str:
    """The beginning of the names of all files of the limits `name`. No two names have the same, whatever their case."""
    return f"{name[:SHOWN]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
