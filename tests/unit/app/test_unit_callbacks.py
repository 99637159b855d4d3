"""Where a job listens for callbacks, and the address that it gives out; a rehearsal opens nothing to the network."""

import pytest

from batchrun.app.callback_setup import callback_base, listen_address
from batchrun.job import Job, build_job


def called_back(url: str, listen: str, *, simulate: bool = True) -> Job:
    about = {"input": "in.csv", "workflow_id": "w", "callback_url": url, "callback_listen": listen}
    return build_job(about | {"simulate": simulate})


@pytest.mark.parametrize("host", ["localhost", "localhost.", "LOCALHOST", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_a_rehearsal_keeps_an_address_of_this_machine(host: str) -> None:
    job = called_back(f"http://{host}:99/hooks", f"{host}:8080")
    assert listen_address(job) == (host.strip("[]"), 8080)
    assert callback_base(job) == f"http://{host}:99/hooks"


@pytest.mark.parametrize("host", ["jobs.example", "0.0.0.0", "10.0.0.1", "[::]", "localhost.example"])
def test_a_rehearsal_takes_loopback_for_any_other(host: str) -> None:
    job = called_back(f"http://{host}:99/hooks", f"{host}:8080")
    assert listen_address(job) == ("127.0.0.1", 8080)
    assert callback_base(job) == "http://127.0.0.1:8080"


def test_a_rehearsal_writes_an_ipv6_address_as_urls_want_it() -> None:
    assert callback_base(called_back("https://jobs.example/hooks", "[::1]:8080")) == "http://[::1]:8080"


def test_a_real_job_listens_and_is_called_where_it_was_said() -> None:
    job = called_back("https://jobs.example/hooks", "0.0.0.0:8080", simulate=False)
    assert listen_address(job) == ("0.0.0.0", 8080)
    assert callback_base(job) == "https://jobs.example/hooks"
