"""The type of file system of a folder, from the table of mounts."""

from pathlib import Path

import pytest

from batchrun.adapters.files.filesystem import filesystem_of, refuse_network_filesystem
from batchrun.errors import InputError

LINE = "{number} 1 8:1 / {point} rw,relatime shared:1 - {kind} /dev/x rw\n"


def table(folder: Path, *mounts: tuple[str, str]) -> Path:
    path = folder / "mountinfo"
    lines = [LINE.format(number=number, point=point, kind=kind) for number, (point, kind) in enumerate(mounts)]
    path.write_text("".join(lines))
    return path


def test_the_nearest_mount_counts_and_of_two_in_one_place_the_later(tmp_path: Path) -> None:
    here = tmp_path.resolve()
    assert filesystem_of(here, table(tmp_path, ("/", "ext4"))) == "ext4"
    assert filesystem_of(here, table(tmp_path, (str(here), "nfs4"), ("/", "ext4"))) == "nfs4"
    assert filesystem_of(here, table(tmp_path, ("/", "ext4"), (str(here / "below"), "nfs4"))) == "ext4"
    assert filesystem_of(here, table(tmp_path, ("/", "ext4"), (str(here)[:-1], "nfs4"))) == "ext4"
    assert filesystem_of(here, table(tmp_path, ("/", "ext4"), (str(here), "nfs"), (str(here), "xfs"))) == "xfs"


def test_a_mount_with_a_blank_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path.resolve() / "my files"
    folder.mkdir()
    assert filesystem_of(folder, table(tmp_path, ("/", "ext4"), (str(folder).replace(" ", "\\040"), "cifs"))) == "cifs"


def test_a_link_is_where_it_leads(tmp_path: Path) -> None:
    target = tmp_path.resolve() / "target"
    target.mkdir()
    (tmp_path / "link").symlink_to(target)
    assert filesystem_of(tmp_path / "link", table(tmp_path, ("/", "ext4"), (str(target), "nfs"))) == "nfs"


def test_where_the_system_does_not_tell_nothing_is_refused(tmp_path: Path) -> None:
    assert filesystem_of(tmp_path, tmp_path / "absent") is None
    refuse_network_filesystem(tmp_path, tmp_path / "absent")


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.s3fs", "ceph", "lustre"])
def test_a_network_file_system_is_refused_with_the_way_out(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match=f"network file system \\({kind}\\)(.|\n)*--checkpoint-dir"):
        refuse_network_filesystem(tmp_path, table(tmp_path, ("/", kind)))


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "apfs", "fuseblk"])
def test_a_local_file_system_is_fine(tmp_path: Path, kind: str) -> None:
    refuse_network_filesystem(tmp_path, table(tmp_path, ("/", kind)))
