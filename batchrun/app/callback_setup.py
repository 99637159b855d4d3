"""Where a job asks to be called back, and what it listens on."""

import secrets
from urllib.parse import urlsplit

from batchrun.app.pinned_job import Recorded
from batchrun.domain.callback_addresses import KEY_BYTES
from batchrun.domain.hosts import is_loopback
from batchrun.job import Job


def callback_key_of(job: Job, known: Recorded | None) -> str | None:
    """The secret of the job's addresses: the recorded one, or a new one in a job that is to be called back."""
    if known is not None and known.callback_key is not None:
        return known.callback_key
    return secrets.token_hex(KEY_BYTES) if job.callback_url is not None else None


def listen_address(job: Job) -> tuple[str, int] | None:
    """Host and port on which the job receives callbacks; None where it does not.

    A rehearsal opens nothing to the network: it listens on loopback, whatever host is named.
    """
    if (named := job.callback_address) is None:
        return None
    host, port = named
    return (host if is_loopback(host) or not job.simulate else "127.0.0.1"), port


def callback_base(job: Job) -> str:
    """The address below which the job is called back: the public one, which a simulator cannot know its way to."""
    url, listen = job.callback_url or "", listen_address(job)
    if not job.simulate or listen is None or is_loopback(urlsplit(url).hostname or ""):
        return url
    host, port = listen
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
