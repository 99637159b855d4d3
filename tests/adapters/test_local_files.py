"""Local files: one descriptor each, below one folder, and never under the digest of another content."""

import asyncio
import os
from pathlib import Path

import pytest

from batchrun.adapters.files import local_files
from batchrun.adapters.files.local_files import LocalFiles
from batchrun.ports import UnusableFileError


class Later:
    """A clock long after the last change of any file."""

    def now(self) -> int:
        return 4_000_000_000_000


class Earlier:
    """A clock before the last change of any file."""

    def now(self) -> int:
        return 0


async def read(files: LocalFiles, path: str) -> bytes:
    file = await files.open(path)
    try:
        return b"".join([chunk async for chunk in file.chunks()])
    finally:
        file.close()


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 5000])
def test_a_file_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(local_files, "CHUNK", 1000)
    content = os.urandom(size)
    (tmp_path / "a").write_bytes(content)
    assert asyncio.run(read(LocalFiles(tmp_path, 5000, Later()), "a")) == content


def test_what_was_appended_meanwhile_is_not_read(tmp_path: Path) -> None:
    async def main() -> bytes:
        file = await LocalFiles(tmp_path, 100, Later()).open("a")
        with (tmp_path / "a").open("a") as more:
            more.write("more")
        try:
            return b"".join([chunk async for chunk in file.chunks()])
        finally:
            file.close()

    (tmp_path / "a").write_text("content")
    assert asyncio.run(main()) == b"content"


@pytest.mark.parametrize("content", ["CONTENT", "con", ""])
def test_the_last_bytes_are_held_back_if_the_content_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    async def main() -> None:
        file = await LocalFiles(tmp_path, 100, Later()).open("a")
        (tmp_path / "a").write_text(content)
        read = bytearray()
        with pytest.raises(UnusableFileError, match="changed while it was read"):
            async for chunk in file.chunks():
                read += chunk
        assert len(read) < len("content")
        file.close()

    monkeypatch.setattr(local_files, "CHUNK", 2)
    (tmp_path / "a").write_text("content")
    asyncio.run(main())


def test_a_digest_is_computed_once_for_an_unchanged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("content")
    (tmp_path / "b").symlink_to("a")
    files = LocalFiles(tmp_path, 100, Later())
    digest = files.digest("a")
    monkeypatch.setattr(local_files.LocalFile, "computed_digest", lambda _: "computed again")
    assert files.digest("a") == files.digest("b") == digest
    (tmp_path / "a").write_text("another content")
    assert files.digest("a") == "computed again"


def test_a_digest_is_not_kept_while_the_times_of_a_file_may_hide_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = LocalFiles(tmp_path, 100, Earlier())
    (tmp_path / "a").write_text("content")
    files.digest("a")
    monkeypatch.setattr(local_files.LocalFile, "computed_digest", lambda _: "computed again")
    assert files.digest("a") == "computed again"


def test_a_link_that_replaces_a_folder_after_it_was_resolved_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "folder", outside):
        folder.mkdir(parents=True)
        (folder / "a").write_text(folder.name)
    resolve = Path.resolve

    def resolve_and_replace(path: Path, strict: bool = False) -> Path:
        resolved = resolve(path, strict)
        if path.name == "a" and (root / "folder").is_dir() and not (root / "folder").is_symlink():
            (root / "folder").rename(root / "moved")
            (root / "folder").symlink_to(outside)
        return resolved

    files = LocalFiles(root, 100, Later())
    monkeypatch.setattr(Path, "resolve", resolve_and_replace)
    with pytest.raises(UnusableFileError, match="cannot be opened"):
        files.check("folder/a")


def test_descriptors_are_closed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("content")
    (tmp_path / "large").write_text("c" * 200)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    files = LocalFiles(tmp_path, 100, Later())

    def descriptors() -> int:
        return len(list(Path("/dev/fd").iterdir()))

    before = descriptors()
    for path in ("a", "large", "folder", "fifo", "gone", "a\0b", "../x"):
        for use in (files.check, files.digest):
            if path == "a":
                use(path)
                continue
            with pytest.raises(UnusableFileError):
                use(path)
    assert descriptors() == before
