"""What a worker is started with, on its way there: it is the same, and the token in it is masked and never shown."""

import asyncio
import pickle
from pathlib import Path

import pytest

from batchrun.adapters.credentials.issued_token import IssuedToken
from batchrun.adapters.credentials.oauth import OAuthApp
from batchrun.adapters.credentials.secret import without_tokens
from batchrun.adapters.credentials.token import Token, load_token
from batchrun.app.wiring import settings_of
from batchrun.cluster.worker import WorkerJob
from batchrun.cluster.worker_process import Start, transport_of
from batchrun.dialects import DIALECTS
from batchrun.domain.callback_addresses import CallbackAddresses
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.counters import Counters
from batchrun.job import build_job
from batchrun.ports import TransportError
from tests.contract.certificates import make_certificate, needs_openssl
from tests.contract.raw_server import OK, POST, answering, permit, served
from tests.support.oauth_config import write_config
from tests.support.virtual import StillClock

VALUE = "pat_" + "worker" * 5


MAPPING = ColumnMapping({"text": "text"}, constants={"lang": "en"})


def work_of(name: str) -> WorkerJob:
    """The work of a job that speaks this dialect."""
    job = build_job({"input": "rows.csv", "workflow_id": "w", "api": name, "mode": "sync", "vary": {"a": ["1", "2"]}})
    limits = job.rps, job.poll_rps, job.total_limit
    return WorkerJob(settings_of(job, 1), job.dialect, MAPPING, limits, Counters())


def copied(token: Token, name: str = "v1") -> Token:
    """The token of a start that was pickled, with all that goes with it."""
    work, mapping = work_of(name), MAPPING
    addresses = CallbackAddresses("https://jobs.example.com", b"key")
    start: Start = pickle.loads(pickle.dumps(Start(work, "https://x", token, None, addresses, 30)))
    assert start.job.settings.workflow_of(1) == "w"
    assert start.job.mapping.inputs(("x",)) == mapping.inputs(("x",))
    assert start.job.dialect.name == name
    assert start.callbacks is not None
    assert start.callbacks.of(3, 1) == addresses.of(3, 1)
    assert VALUE not in repr(start)
    return start.token


def test_a_copy_of_a_token_is_the_same_and_is_masked(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(VALUE)
    for dialect in DIALECTS.values():
        token = load_token(path, None, None, dialect)
        copy = copied(token, dialect.name)
        assert copy.secret.is_same(VALUE)
        assert copy.secret.headers(json=True) == token.secret.headers(json=True)
        assert repr(copy) == repr(token)
        del token
        assert VALUE not in without_tokens(f"it said {VALUE}")
        assert VALUE not in f"{copy} {copy.secret} {copy!r}"


def test_a_copy_of_an_issued_token_is_issued_one_of_its_own(tmp_path: Path) -> None:
    token = IssuedToken(OAuthApp(write_config(tmp_path, "https://127.0.0.1:1")))
    copy = copied(token)
    assert isinstance(copy, IssuedToken)
    assert repr(copy) == repr(token)
    assert copy.secret.is_same("")


@needs_openssl
def test_a_worker_trusts_the_certificates_of_a_file_that_its_machine_does_not_have(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    content = Path(certificate.path).read_bytes()
    context = certificate.server_context()
    for path in tmp_path.iterdir():
        path.unlink()

    async def status(certificates: bytes | None) -> int:
        async with served(answering(OK), context) as (_, base):
            start = Start(work_of("v1"), base, Token(VALUE), certificates, None, 30)
            async with transport_of(pickle.loads(pickle.dumps(start)), StillClock()) as transport:
                return (await transport.send(POST, permit)).status

    assert asyncio.run(status(content)) == 200
    with pytest.raises(TransportError, match="certificate"):
        asyncio.run(status(None))
