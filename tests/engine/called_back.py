"""What the tests of jobs with callbacks look up: addresses, runs and the secret."""

import msgspec

from batchrun.adapters.checkpoint import connection, reader
from tests.support.rehearsal import Rehearsal

REAL = "duration=lognormal:20,75"


def address_of(body: bytes) -> str:
    """The path of the callback address in this POST body."""
    url: str = msgspec.json.decode(body)["callback_url"]
    return url.removeprefix("http://127.0.0.1")


def run_of(rehearsal: Rehearsal, row: int) -> str:
    """The run that the service has for a row."""
    addresses = [address_of(body) for _, body in rehearsal.posts() if rehearsal.row_of(body) == row]
    (run,) = [run for run in rehearsal.store.awaiting_callback(0) if (run.callback_url or "").endswith(addresses[-1])]
    return run.run_id


def key_of(rehearsal: Rehearsal) -> str:
    """The secret of the job."""
    with connection.open_reader(rehearsal.folder / "job" / "checkpoint.db") as db:
        return reader.meta(db)["callback_key"]
