"""The type of file system that a folder is on."""

import re
from pathlib import Path

from batchrun.adapters.files.kinds import real_path
from batchrun.errors import InputError

_NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "gfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4",
    "ocfs2", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs",
})  # fmt: skip
_LOCAL_FUSE = frozenset({"fuse.ext4", "fuse.ntfs", "fuseblk", "fuse.fuse-overlayfs"})


def filesystem_of(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The type of the file system of `folder`, or None if it is unknown (not Linux)."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    where, depth, fs_type = real_path(folder), -1, None
    depths = {str(path): len(path.parts) for path in (where, *where.parents)}
    for line in lines:
        fields, _, tail = line.partition(" - ")
        mount_point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields.split()[4])
        if mount_point in depths and depths[mount_point] >= depth:
            depth, fs_type = depths[mount_point], tail.split()[0]
    return fs_type


def refuse_network_filesystem(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> None:
    """Refuse a network file system: SQLite's WAL needs memory shared by all processes that use the database."""
    fs_type = filesystem_of(folder, mounts)
    if fs_type in _NETWORK or (fs_type is not None and fs_type.startswith("fuse") and fs_type not in _LOCAL_FUSE):
        raise InputError(
            f"{folder}: is on a network file system ({fs_type}), where the checkpoint would not be safe.\n"
            "Name a local folder for it with --checkpoint-dir; results may stay where they are."
        )
