"""Local files that are uploaded."""

from collections.abc import AsyncIterator
from typing import Protocol


class UnusableFileError(Exception):
    """A local file cannot be uploaded. The message says why, without its path."""


class OpenFile(Protocol):
    """A local file that is open for reading. All of it is read through one descriptor."""

    @property
    def name(self) -> str:
        """Its name, without folders."""
        ...

    @property
    def size(self) -> int:
        """Its size in bytes when it was opened."""
        ...

    @property
    def digest(self) -> str:
        """The SHA-256 of its content, in hexadecimal."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The content. Raises `UnusableFileError` instead of the last bytes if it is not that of `digest`."""
        ...

    def close(self) -> None:
        """Close the descriptor."""
        ...


class Files(Protocol):
    """The local files to which the rows refer."""

    async def open(self, path: str) -> OpenFile:
        """Open a file and read it for its digest.

        Raises `UnusableFileError`, or `StorageError` if no other file could be read either.
        """
        ...
