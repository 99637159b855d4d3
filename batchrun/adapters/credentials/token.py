"""The token that requests are sent with, and its renewal when the service refuses it."""

import asyncio
from pathlib import Path

from batchrun.adapters.credentials.secret import Secret
from batchrun.adapters.credentials.sources import TokenCommand, TokenFile, TokenSource, checked
from batchrun.dialects.base import Dialect, TokenHeaders, bearer
from batchrun.errors import InputError


class Token:
    """A token that may be renewed while the job runs; its `repr` does not show it."""

    def __init__(
        self, value: str, source: TokenSource | None = None, trouble: str = "", *, headers: TokenHeaders = bearer
    ) -> None:
        self.secret = Secret(value, headers)
        """The token as it is now."""
        self.trouble = trouble
        """Why there is no other one, in words; empty where nothing is to be said."""
        self._source = source
        self._headers = headers
        self._lock = asyncio.Lock()
        self._tried: Secret | None = None

    def __repr__(self) -> str:
        return f"Token(from {self._source or 'the environment'})"

    async def renew(self, refused: Secret) -> bool:
        """After a 401 for the token `refused`: whether there is another one to try.

        However many requests are refused at once, the source is asked once for each token that was; the others wait
        for what the first is told, and those that come later find it told. Never raises: see `trouble`.
        """
        async with self._lock:
            if self.secret is not refused:
                return True
            if self._source is None or self._tried is refused:
                return False
            self._tried = refused
            try:
                # In a thread: a command, or a file on a slow disk, must not hold up everything else.
                value = await asyncio.get_running_loop().run_in_executor(None, self._source.read)
            except InputError as error:
                self.trouble = str(error)
                return False
            if refused.is_same(value):
                self.trouble = f"{self._source} still gives the token that was refused"
                return False
            self.secret, self.trouble = Secret(value, self._headers), ""
            return True


def load_token(file: Path | None, command: str | None, environment: str | None, dialect: Dialect) -> Token:
    """The token from the first line of `file`, or that `command` prints, or else of the environment.

    Raises `InputError` where there is none.
    """
    source = TokenFile(file) if file is not None else TokenCommand(command) if command is not None else None
    if source is not None:
        return Token(source.read(), source, headers=dialect.headers)
    variable = dialect.token_variable
    if environment and environment.strip():
        value = checked(environment.strip(), variable)
        return Token(value, trouble=f"it is the one in the variable {variable}", headers=dialect.headers)
    raise InputError(
        f"no token: set the environment variable {variable}, name a file that holds it with --token-file, or a "
        "command that prints it with --token-command.\n"
        "To rehearse without an account, add --simulate."
    )
