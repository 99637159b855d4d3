"""Callback addresses. Each identifies one attempt of one row and proves that this job issued it.

The service does not sign its callbacks, so the address itself is the proof. The last path segment is `ROW.ATTEMPT.MAC`;
MAC is the HMAC-SHA256 of the two numbers, with a key stored only in the job's checkpoint. An address cannot be guessed,
is verified by one hash without a lookup, and stays valid as long as the checkpoint exists.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from typing import NamedTuple

MAC_BYTES = 16
"""The MAC is truncated from 32 bytes. A guess succeeds with a probability of 2⁻¹²⁸."""

KEY_BYTES = 32

_TOKEN = re.compile(r"(0|[1-9][0-9]{0,17})\.([1-9][0-9]{0,8})\.[A-Za-z0-9_-]{22}")


class Attempt(NamedTuple):
    """One attempt of one row. The first attempt is 1."""

    row: int
    attempt: int


class CallbackAddresses:
    """Issues and verifies the addresses of one job, under `base_url`. `key` is the job's secret."""

    def __init__(self, base_url: str, key: bytes) -> None:
        self._base = base_url.rstrip("/")
        self._key = key

    def of(self, row: int, attempt: int) -> str:
        """The address of this attempt."""
        return f"{self._base}/{self._token(row, attempt)}"

    def proven(self, path: str) -> Attempt | None:
        """The attempt that the address with this path identifies; None if `of` did not issue the address.

        Only the last segment counts, so a proxy may strip or add a prefix.
        """
        token = path.rpartition("/")[2]
        if (match := _TOKEN.fullmatch(token)) is None:
            return None
        attempt = Attempt(int(match[1]), int(match[2]))
        return attempt if hmac.compare_digest(token, self._token(*attempt)) else None

    def _token(self, row: int, attempt: int) -> str:
        signed = f"{row}.{attempt}"
        mac = hmac.digest(self._key, signed.encode(), "sha256")[:MAC_BYTES]
        return f"{signed}.{urlsafe_b64encode(mac).decode().rstrip('=')}"
