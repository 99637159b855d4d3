"""Where a token may be sent in clear text."""

import pytest

from batchrun.domain.hosts import is_in_the_clear, is_loopback
from batchrun.errors import InputError
from batchrun.job import build_job

SAFE = [
    "https://api.coze.cn", "HTTPS://host", "http://localhost", "http://LOCALHOST.:8080/x", "http://127.0.0.1:1",
    "http://127.8.9.1", "http://[::1]:8080", "http://[::ffff:127.0.0.1]:8080",
]  # fmt: skip
OPEN = [
    "http://api.coze.cn", "http://10.0.0.1", "http://0.0.0.0:8080", "http://127.0.0.1.evil.example", "http://[::2]",
    "http://localhost.evil.example", "http://localhost..", "http://[::ffff:10.0.0.1]",
    "http://2130706433", "http://::1", "HTTP://host",
]  # fmt: skip


@pytest.mark.parametrize("url", SAFE)
def test_https_and_this_machine_are_safe(url: str) -> None:
    assert not is_in_the_clear(url)


@pytest.mark.parametrize("url", OPEN)
def test_anything_else_could_be_read_on_the_network(url: str) -> None:
    assert is_in_the_clear(url)


@pytest.mark.parametrize("host", ["", "host", "999.1.1.1", "[::1]"])
def test_other_addresses_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_an_address_in_clear_text_is_refused_with_a_hint() -> None:
    about = {"input": "in.csv", "workflow_id": "w", "base_url": "http://coze.internal:8888"}
    with pytest.raises(InputError, match=r"--base-url http://coze.internal:8888: .*https.*--allow-insecure"):
        build_job(about)
    assert build_job(about | {"allow_insecure": True}).allow_insecure
    assert build_job(about | {"simulate": True}).base_url == "http://coze.internal:8888"
