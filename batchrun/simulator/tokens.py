"""Which tokens the simulated service takes, and when they expire."""

from collections.abc import Sequence


class Tokens:
    """A token expires after `seconds` from its first use, or after `requests`; None: it never does.

    `valid`: only these are taken, one at a time: the next one is valid when the one before it has expired, and when
    the last one has, none is. Empty: any is, until it has expired.
    """

    def __init__(self, valid: Sequence[str], seconds: float | None, requests: float | None) -> None:
        self._valid = list(valid)
        self._any = not valid
        self._seconds = seconds
        self._requests = requests
        self._used: dict[str, tuple[float, int]] = {}

    def takes(self, token: str, at: float) -> bool:
        """Whether a request with this token is taken at this time (seconds of any clock that only goes forward)."""
        while self._valid and self._has_expired(self._valid[0], at):
            del self._valid[0]
        if self._has_expired(token, at) or not (self._any or self._valid[:1] == [token]):
            return False
        first, requests = self._used.get(token, (at, 0))
        self._used[token] = first, requests + 1
        return True

    def _has_expired(self, token: str, at: float) -> bool:
        if token not in self._used:
            return False
        first, requests = self._used[token]
        too_old = self._seconds is not None and at - first >= self._seconds
        return too_old or (self._requests is not None and requests >= self._requests)
