"""The listen address and the callback URL of a job. A simulated job uses loopback only."""

import pytest

from batchrun.app.callback_setup import callback_base, listen_address
from batchrun.job import Job, build_job


def job_with_callbacks(url: str, listen: str, *, simulate: bool = True) -> Job:
    values = {"input": "in.csv", "workflow_id": "w", "callback_url": url, "callback_listen": listen}
    return build_job(values | {"simulate": simulate})


@pytest.mark.parametrize("host", ["localhost", "localhost.", "LOCALHOST", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_a_simulated_job_keeps_a_loopback_address(host: str) -> None:
    job = job_with_callbacks(f"http://{host}:99/hooks", f"{host}:8080")
    assert listen_address(job) == (host.strip("[]"), 8080)
    assert callback_base(job) == f"http://{host}:99/hooks"


@pytest.mark.parametrize("host", ["jobs.example", "0.0.0.0", "10.0.0.1", "[::]", "localhost.example"])
def test_a_simulated_job_replaces_any_other_address_by_loopback(host: str) -> None:
    job = job_with_callbacks(f"http://{host}:99/hooks", f"{host}:8080")
    assert listen_address(job) == ("127.0.0.1", 8080)
    assert callback_base(job) == "http://127.0.0.1:8080"


def test_an_ipv6_address_is_put_in_brackets_in_the_url() -> None:
    assert callback_base(job_with_callbacks("https://jobs.example/hooks", "[::1]:8080")) == "http://[::1]:8080"


def test_a_real_job_uses_the_given_addresses() -> None:
    job = job_with_callbacks("https://jobs.example/hooks", "0.0.0.0:8080", simulate=False)
    assert listen_address(job) == ("0.0.0.0", 8080)
    assert callback_base(job) == "https://jobs.example/hooks"
