"""Which tokens the simulated service accepts, and when they expire."""

from collections.abc import Sequence


class Tokens:
    """Tokens that expire `seconds` after their first use, or after a number of `requests`; None: no such limit.

    `valid` lists the accepted tokens, one at a time: each becomes valid when the one before it has expired. If it is
    empty, any token is accepted until it expires.
    """

    def __init__(self, valid: Sequence[str], seconds: float | None, requests: float | None) -> None:
        self._valid = list(valid)
        self._accepts_any = not valid
        self._seconds = seconds
        self._requests = requests
        self._used: dict[str, tuple[float, int]] = {}

    def accepts(self, token: str, at: float) -> bool:
        """Whether to accept a request with this token at the time `at` (seconds of any monotonic clock)."""
        while self._valid and self._has_expired(self._valid[0], at):
            del self._valid[0]
        if self._has_expired(token, at) or not (self._accepts_any or self._valid[:1] == [token]):
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
