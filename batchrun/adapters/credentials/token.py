"""The token of the requests, and its renewal after the service refuses it."""

import asyncio
from pathlib import Path

from batchrun.adapters.credentials.secret import Secret
from batchrun.adapters.credentials.sources import TokenCommand, TokenFile, TokenSource, checked
from batchrun.dialects.base import Dialect, TokenHeaders, bearer
from batchrun.errors import InputError


class Token:
    """A token that may be renewed while the job runs. Its `repr` does not show it."""

    def __init__(
        self, value: str, source: TokenSource | None = None, trouble: str = "", *, headers: TokenHeaders = bearer
    ) -> None:
        self.secret = Secret(value, headers)
        """The current token."""
        self.trouble = trouble
        """Why the token was not renewed, as text; empty if there is nothing to report."""
        self._source = source
        self._headers = headers
        self._lock = asyncio.Lock()
        self._tried: Secret | None = None

    def __repr__(self) -> str:
        return f"Token(from {self._source or 'the environment'})"

    def __reduce__(self) -> tuple[object, ...]:
        """See `Secret.__reduce__`. The copy is renewed by itself."""
        return _restored, (self.secret, self._source, self.trouble, self._headers)

    async def current(self) -> Secret:
        """The token to send. A subclass may raise `TransportError` if there is none now."""
        return self.secret

    async def renew(self, refused: Secret) -> bool:
        """Renew the token after the service refused `refused`. Returns whether there is another one to try.

        The source is read once per refused token, even if many requests are refused at once. Concurrent and later
        callers get the same result. Does not raise `InputError`; see `trouble`.
        """
        async with self._lock:
            if self.secret is not refused:
                return True
            if self._source is None or self._tried is refused:
                return False
            self._tried = refused
            try:
                # In a thread, because a command or a slow disk must not block the event loop.
                value = await asyncio.get_running_loop().run_in_executor(None, self._source.read)
            except InputError as error:
                self.trouble = str(error)
                return False
            if refused.is_same(value):
                self.trouble = f"{self._source} still gives the token that was refused"
                return False
            self.secret, self.trouble = Secret(value, self._headers, refused), ""
            return True


def _restored(secret: Secret, source: TokenSource | None, trouble: str, headers: TokenHeaders) -> Token:
    token = Token("", source, trouble, headers=headers)
    token.secret = secret
    return token


def load_token(file: Path | None, command: str | None, environment: str | None, dialect: Dialect) -> Token:
    """Load the token from the first line of `file`, from `command`, or else from the environment.

    Raises `InputError` if there is none.
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
        "To rehearse without an account: batchrun run … --simulate"
    )
