"""What kind of file system a folder is on."""

import re
from pathlib import Path

from batchrun.errors import InputError

_NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "gfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
    "ocfs2", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs",
})  # fmt: skip
_LOCAL_FUSE = frozenset({"fuse.ext4", "fuse.ntfs", "fuseblk", "fuse.fuse-overlayfs"})


def filesystem_of(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The type of the file system that holds `folder`; None where the system does not tell (not Linux)."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    where, best, kind = folder.resolve(), -1, None
    for line in lines:
        fields, _, tail = line.partition(" - ")
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields.split()[4]))
        if (where == point or point in where.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), tail.split()[0]
    return kind


def refuse_network_filesystem(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> None:
    """Refuse a folder where SQLite's WAL does not work: it needs memory that all processes of the file share."""
    kind = filesystem_of(folder, mounts)
    if kind in _NETWORK or (kind is not None and kind.startswith("fuse") and kind not in _LOCAL_FUSE):
        raise InputError(
            f"{folder}: is on a network file system ({kind}), where the checkpoint would not be safe.\n"
            "Name a local folder for it with --checkpoint-dir; results may stay where they are."
        )
