"""The addresses of callbacks: each names one attempt of one row, and proves that this job gave it out.

The service signs nothing, so the address has to be the proof. Its last segment is `ROW.ATTEMPT.MAC`, where MAC is the
HMAC-SHA256 of the two numbers under a key that only the checkpoint of the job holds: nobody can guess an address,
checking one costs one hash and no lookup, and it stays valid for as long as the checkpoint is there.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from typing import NamedTuple

MAC_BYTES = 16
"""Of the 32 that the hash has: one guess in 2 to the 128 is right."""

KEY_BYTES = 32

_TOKEN = re.compile(r"(0|[1-9][0-9]{0,17})\.([1-9][0-9]{0,8})\.[A-Za-z0-9_-]{22}")


class Attempt(NamedTuple):
    """One attempt of one row. The first attempt is 1."""

    row: int
    attempt: int


class CallbackAddresses:
    """The addresses of one job, below `base_url`; `key` is the job's secret."""

    def __init__(self, base_url: str, key: bytes) -> None:
        self._base = base_url.rstrip("/")
        self._key = key

    def of(self, row: int, attempt: int) -> str:
        """The address for this attempt."""
        return f"{self._base}/{self._token(row, attempt)}"

    def proven(self, path: str) -> Attempt | None:
        """The attempt that the address with this path names; None unless it is one that `of` gave out.

        Only the last segment counts, so that a proxy may take away what stands before it.
        """
        token = path.rpartition("/")[2]
        if (match := _TOKEN.fullmatch(token)) is None:
            return None
        attempt = Attempt(int(match[1]), int(match[2]))
        return attempt if hmac.compare_digest(token, self._token(*attempt)) else None

    def _token(self, row: int, attempt: int) -> str:
        named = f"{row}.{attempt}"
        mac = hmac.digest(self._key, named.encode(), "sha256")[:MAC_BYTES]
        return f"{named}.{urlsafe_b64encode(mac).decode().rstrip('=')}"
