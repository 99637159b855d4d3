"""Where the token comes from. It never leaves this file but in the header of a request."""

import re
from pathlib import Path

from batchrun.errors import InputError

_LIKE_A_TOKEN = re.compile(r"[a-z]+_[\w-]{16,}|[\w.=+-]{32,}")


class Token:
    """A token that may be renewed while the job runs; its `repr` does not show it."""

    def __init__(self, value: str, path: Path | None = None) -> None:
        self._value = value
        self._path = path

    def __repr__(self) -> str:
        return f"Token(from {self._path or 'the environment'})"

    def header(self) -> str:
        """The value of `Authorization`."""
        return f"Bearer {self._value}"

    def renew(self, used: str) -> bool:
        """After a 401 for the header `used`: whether there is another token to try.

        Many requests may be refused at once; the first of them reads the file again, the others find it done.
        """
        if self.header() != used:
            return True
        if self._path is None:
            return False
        try:
            self._value = _read(self._path)
        except InputError:
            return False
        return self.header() != used


def load_token(path: Path | None, environment: str | None) -> Token:
    """The token from the first line of `path`, or else from the environment (`COZE_API_TOKEN`)."""
    if path is not None:
        return Token(_read(path), path)
    if environment and environment.strip():
        return Token(_checked(environment.strip(), "COZE_API_TOKEN"))
    raise InputError(
        "no token: set the environment variable COZE_API_TOKEN, or name a file that holds it with --token-file.\n"
        "To rehearse without an account, add --simulate."
    )


def _read(path: Path) -> str:
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError) and _LIKE_A_TOKEN.fullmatch(str(path)):
            raise InputError(
                "--token-file: there is no file of that name. If it was the token itself (it is not shown here): "
                "put it into a file, and name that"
            ) from None
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"--token-file {path}: cannot be read: {reason}") from None
    if not lines or not lines[0].strip():
        raise InputError(f"--token-file {path}: its first line is empty; it must hold the token")
    return _checked(lines[0].strip(), f"--token-file {path}")


def _checked(token: str, source: str) -> str:
    if token.lower().startswith("bearer ") or token[0] in "\"'":
        raise InputError(f"{source}: give the token alone, without quotes and without Bearer")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(f"{source}: the token has characters that no token has (spaces, line breaks or non-ASCII)")
    return token
