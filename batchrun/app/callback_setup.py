"""The callback URL that a job sends, and the address on which it listens."""

import secrets
from urllib.parse import urlsplit

from batchrun.app.pinned_job import PinnedJob
from batchrun.domain.callback_addresses import KEY_BYTES
from batchrun.domain.hosts import is_loopback
from batchrun.job import Job


def callback_key_of(job: Job, pinned: PinnedJob | None) -> str | None:
    """The secret for the job's callback addresses: the stored one, or a new one if the job has a `callback_url`."""
    if pinned is not None and pinned.callback_key is not None:
        return pinned.callback_key
    return secrets.token_hex(KEY_BYTES) if job.callback_url is not None else None


def listen_address(job: Job) -> tuple[str, int] | None:
    """Host and port on which the job listens for callbacks; None if it receives none.

    A simulated job always listens on loopback, so that no port is open to the network.
    """
    if (address := job.callback_address) is None:
        return None
    host, port = address
    return (host if is_loopback(host) or not job.simulate else "127.0.0.1"), port


def callback_base(job: Job) -> str:
    """The base of the callback URLs.

    It is the public URL, except in a simulated job: the simulator only calls loopback, so it gets the listen address.
    """
    url, listen = job.callback_url or "", listen_address(job)
    if not job.simulate or listen is None or is_loopback(urlsplit(url).hostname or ""):
        return url
    host, port = listen
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
