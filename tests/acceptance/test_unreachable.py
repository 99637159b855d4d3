"""A service that cannot be used: what no waiting mends stops the job at once, and anything else is waited for."""

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from ssl import SSLContext

import pytest

from batchrun.views.next_step import CORRECT
from tests.contract.certificates import make_certificate, needs_openssl
from tests.contract.raw_server import OK, answering, served
from tests.support.command import batchrun, environment, rows_file, simulator


@contextmanager
def server(answer: bytes, tls: SSLContext | None = None) -> Iterator[str]:
    """A server that gives the same answer to every request. Its address is that of plain HTTP."""
    loop, address, started = asyncio.new_event_loop(), list[str](), threading.Event()
    ended = asyncio.Event()

    async def main() -> None:
        async with served(answering(answer), tls) as (_, base):
            address.append(base.partition("://")[2])
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    started.wait()
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def run(folder: Path, base_url: str, *options: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    rows_file(folder, 30)
    command = ("run", "rows.csv", "--workflow-id", "w", "--max-outage", "2s", "--base-url", base_url, *options)
    return batchrun(*command, cwd=folder, env=environment(**variables))


@needs_openssl
@pytest.mark.parametrize("api", ["v1", "auto"])
def test_a_certificate_that_is_not_trusted_stops_the_job_and_names_the_option(tmp_path: Path, api: str) -> None:
    certificate = make_certificate(tmp_path)
    with server(OK, certificate.server_context()) as address:
        done = run(tmp_path, f"https://{address}", "--api", api)
    assert done.returncode == 4, done.stderr
    assert f"Stopped: the certificate of {address} is not trusted: self" in done.stderr
    assert "--ca-file CA.pem" in done.stderr
    assert "30 queued" in done.stdout


def test_tls_to_a_server_that_speaks_none_stops_the_job(tmp_path: Path) -> None:
    with simulator(tmp_path) as service:
        address = service.base_url.partition("://")[2]
        done = run(tmp_path, f"https://{address}")
    assert done.returncode == 4, done.stderr
    assert f"Stopped: {address} does not speak TLS" in done.stderr


def test_an_answer_that_is_not_http_stops_the_job_after_one_row(tmp_path: Path) -> None:
    with server(b"SSH-2.0-OpenSSH_9.6\r\n") as address:
        done = run(tmp_path, f"http://{address}")
    assert done.returncode == 4, done.stderr
    assert f"Stopped: the answer of {address} is not HTTP" in done.stderr
    assert "1 in doubt, 29 queued" in done.stdout


def test_what_to_check_is_said_after_the_first_try(tmp_path: Path) -> None:
    refused = run(tmp_path, "http://127.0.0.1:1")
    assert refused.returncode == 75
    waiting = "submissions: service unavailable, waiting up to 2 s: "
    first = f"{waiting}no connection to 127.0.0.1:1: Connection refused; is --base-url right?"
    assert refused.stderr.count(first) == 1, refused.stderr
    assert refused.stderr.endswith("(with another --base-url: run the first command again; nothing was accepted)\n")
    proxy = run(tmp_path, "https://api.example.test", https_proxy="http://127.0.0.1:1")
    assert proxy.returncode == 75
    assert f"{waiting}the proxy 127.0.0.1:1 cannot be reached: Connection refused" in proxy.stderr


def test_answers_of_500_are_seen_and_told_at_the_end(tmp_path: Path) -> None:
    with server(b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nOops") as address:
        done = run(tmp_path, f"http://{address}")
    assert done.returncode == 75, done.stderr
    assert "service unavailable, waiting up to 2 s: HTTP 500" in done.stderr
    assert "Stopped: service unavailable for longer than --max-outage 2 s (last answer: HTTP 500" in done.stderr


@pytest.mark.parametrize("api", ["v1", "auto"])
def test_a_wrong_address_is_corrected(tmp_path: Path, api: str) -> None:
    with simulator(tmp_path, "--duration", "0.1") as service:
        address = service.base_url.partition("://")[2]
        wrong = run(tmp_path, f"https://{address}", "--api", api)
        assert wrong.returncode == 4
        assert wrong.stderr.endswith(f"{CORRECT}\n")
        right = run(tmp_path, service.base_url, "--api", "v1", "--workflow-id", "echo")
        assert right.returncode == 0, right.stderr


@pytest.mark.parametrize("api", ["open", "auto"])
def test_a_check_says_what_it_could_not_check(tmp_path: Path, api: str) -> None:
    rows_file(tmp_path, 3)
    command = ("check", "rows.csv", "--workflow-id", "w", "--base-url", "http://127.0.0.1:1", "--request-timeout", 1)
    done = batchrun(*command, "--api", api, cwd=tmp_path)
    assert done.returncode == 0
    unchecked = "not checked: token, workflow, inputs (no usable answer from 127.0.0.1:1)"
    assert f"{unchecked}\n" in done.stdout
    assert "no problems found" not in done.stdout


def test_a_check_of_the_documented_api_says_that_it_has_no_token_checked(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    done = batchrun("check", "rows.csv", "--workflow-id", "w", "--base-url", "http://127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == 0
    unchecked = "not checked: token, workflow, inputs (--api v1 cannot be asked about them)"
    assert f"result    no problems found; {unchecked}\n" in done.stdout
