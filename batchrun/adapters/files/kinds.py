"""Kinds of files that are not regular. To open a FIFO waits, perhaps for ever; a device has no end."""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from batchrun.domain.filenames import CHECKPOINT, OWN_FILES, SUMMARY
from batchrun.errors import InputError

LINK_TO_NOWHERE = "a link that leads nowhere"

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: LINK_TO_NOWHERE,
}


def special_kind(mode: int) -> str | None:
    """What a file of this mode is; None if it is a regular file."""
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "no file")


def refuse_special_files(folder: Path) -> None:
    """Raise `InputError` if a file in this run directory is a FIFO, a device or the like, or the database a link.

    The summary is only replaced, never opened.
    """
    refuse_special(folder / name for name in sorted(OWN_FILES - {SUMMARY}))
    if (folder / CHECKPOINT).is_symlink():  # SQLite keeps its other files beside the file to which it leads
        raise InputError(
            f"{folder / CHECKPOINT}: is a link. To keep it in another folder, remove the link and add --checkpoint-dir"
        )


def real_path(path: Path) -> Path:
    """The path without links. One that leads to itself stays as it is: opening it tells."""
    return Path(os.path.realpath(path))


def refuse_special(paths: Iterable[Path]) -> None:
    """Raise `InputError` for the first of our own files that is there, and not regular. Links are followed."""
    for path in paths:
        try:
            kind = special_kind(path.stat().st_mode)
        except OSError as error:
            kind = "a link to itself" if error.errno == errno.ELOOP else None
            path = path if path.is_symlink() else path.parent  # noqa: PLW2901 - its folder may be that link
        if kind is not None:
            raise InputError(f"{path}: is {kind}, not a file of a job. Put the file back, or remove this")
