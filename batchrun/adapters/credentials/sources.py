"""Token sources: a file or a command. Their contents are never shown."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Protocol

from batchrun.domain.marked_text import decode_marked
from batchrun.errors import InputError

COMMAND_TIMEOUT = 30.0
"""Seconds after which a token command is killed."""

_LIKE_A_TOKEN = re.compile(r"[a-z]+_[\w-]{16,}|[\w.=+-]{32,}")


class TokenSource(Protocol):
    """Returns a token, and a new one when that has expired."""

    def read(self) -> str:
        """The current token. May block. Raises `InputError` if there is none."""
        ...


class TokenFile:
    """A file whose first line is the token."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return f"--token-file {self._path}"

    def read(self) -> str:
        """Read the file."""
        path = self._path
        try:
            text = decode_marked(path.read_bytes())
        except (OSError, UnicodeDecodeError) as error:
            if isinstance(error, FileNotFoundError) and _LIKE_A_TOKEN.fullmatch(str(path)):
                raise InputError(
                    "--token-file: there is no file of that name. If it was the token itself (it is not shown here): "
                    "put it into a file, and name that"
                ) from None
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise InputError(f"{self}: cannot be read: {reason}") from None
        return _first_line(text, str(self), "its first line is empty; it must hold the token")


class TokenCommand:
    """A command that prints the token in its first line.

    It is split into words like a shell command but runs without a shell, so nothing must be quoted twice, and a missing
    program is reported. For a pipe, use `sh -c '…'`. It inherits standard error; its standard input is empty.
    """

    def __init__(self, line: str) -> None:
        self._words = shlex.split(line)
        self._words[0] = str(Path(self._words[0]).expanduser()) if self._words[0].startswith("~/") else self._words[0]

    @property
    def _needs_shell(self) -> bool:
        return any(word.startswith("~") or re.search(r"[$`*]", word) for word in self._words[1:])

    def __str__(self) -> str:
        return f"--token-command {self._words[0]}"

    def read(self) -> str:
        """Run the command."""
        try:
            done = subprocess.run(
                self._words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=COMMAND_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            raise InputError(f"{self}: has not ended within {COMMAND_TIMEOUT:g} s") from None
        except (OSError, ValueError) as error:
            if len(self._words) == 1 and _LIKE_A_TOKEN.fullmatch(self._words[0]):
                raise InputError(
                    "--token-command: there is no program of that name. If it was the token itself (it is not shown "
                    "here): put it into a file, and name that with --token-file"
                ) from None
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(f"{self}: cannot be run: {reason}") from None
        if done.returncode:
            how = f"ended with exit code {done.returncode}" if done.returncode > 0 else "was killed by a signal"
            shell = "; it runs without a shell, so ~ $ ` and * stand for themselves" if self._needs_shell else ""
            raise InputError(f"{self}: {how} (see its error output above){shell}")
        try:
            text = decode_marked(done.stdout)
        except UnicodeDecodeError:
            raise InputError(f"{self}: what it printed is not text") from None
        return _first_line(text, str(self), "it printed no token; its first line must be the token")


def _first_line(text: str, source: str, if_empty: str) -> str:
    lines = text.splitlines()
    if not lines or not lines[0].strip():
        raise InputError(f"{source}: {if_empty}")
    return checked(lines[0].strip(), source)


def checked(token: str, source: str) -> str:
    """Return the token. Raises `InputError`, without showing it, if it cannot be a token."""
    if token.lower().startswith("bearer ") or token[0] in "\"'":
        raise InputError(f"{source}: give the token alone, without quotes and without Bearer")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"{source}: the token has characters that no token has (spaces, line breaks or non-ASCII)")
    return token
