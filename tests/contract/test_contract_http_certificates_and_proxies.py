"""Which certificates are trusted, and which proxies of the environment are used."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from yarl import URL

from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.proxies import proxy_for
from batchrun.adapters.http.transport import open_transport
from batchrun.errors import InputError
from batchrun.ports import TransportError
from tests.contract.certificates import make_certificate, needs_openssl
from tests.contract.raw_server import (
    OK,
    POST,
    SECRET,
    answering,
    outcome,
    permit,
    served,
)
from tests.support.virtual import StillClock


@needs_openssl
def test_an_unknown_certificate_is_refused_before_anything_is_sent_and_a_known_one_is_trusted(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)

    async def main() -> None:
        async with served(answering(OK), certificate.server_context()) as (server, base):
            got = await outcome(base)
            assert isinstance(got, TransportError)
            assert not got.sent
            assert server.seen == []
            async with open_transport(base, Token(SECRET), StillClock(), certificate.path) as transport:
                assert (await transport.send(POST, permit)).status == 200

    asyncio.run(main())


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_certificates_that_cannot_be_used_is_a_mistake(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    async def main() -> None:
        async with open_transport("https://127.0.0.1", Token(SECRET), StillClock(), str(path)):
            pass

    with pytest.raises(InputError, match=f"--ca-file {path}: cannot be used"):
        asyncio.run(main())


ASK_FOR_PROXIES = """
import json, os, sys
from yarl import URL
from batchrun.adapters.http.proxies import proxy_for
from batchrun.errors import InputError
found = []
for environment, url in json.load(sys.stdin):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ.update(environment)
    try:
        found.append(str(proxy_for(URL(url)) or ""))
    except InputError as error:
        found.append(f"InputError: {error}")
json.dump(found, sys.stdout)
"""
PROXIES: list[tuple[dict[str, str], str, str]] = [
    ({}, "https://api.coze.cn", ""),
    ({"https_proxy": "http://proxy:3128"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"HTTPS_PROXY": "http://proxy:3128"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"https_proxy": "proxy:3128"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"http_proxy": "http://proxy:3128"}, "https://api.coze.cn", ""),
    ({"http_proxy": "http://proxy:3128"}, "http://api.coze.cn", "http://proxy:3128"),
    ({"all_proxy": "http://proxy:3128"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"https_proxy": "http://proxy:3128", "no_proxy": "coze.cn"}, "https://api.coze.cn", ""),
    ({"https_proxy": "http://proxy:3128", "no_proxy": "*"}, "https://api.coze.cn", ""),
    ({"https_proxy": "http://proxy:3128", "no_proxy": "other.cn"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"all_proxy": "http://proxy:3128", "http_proxy": "http://p:1"}, "http://127.0.0.1:8080", ""),
    ({"all_proxy": "http://proxy:3128"}, "http://localhost:8080", ""),
    ({"all_proxy": "http://proxy:3128"}, "http://LOCALHOST:8080", ""),
    ({"all_proxy": "http://proxy:3128"}, "http://localhost.:8080", ""),
    ({"all_proxy": "http://proxy:3128"}, "http://[::1]:8080", ""),
    ({"all_proxy": "http://proxy:3128"}, "http://[::ffff:127.0.0.1]:8080", ""),
]


def test_proxies_of_the_environment_are_honoured_as_curl_does_and_never_for_loopback() -> None:
    asked = json.dumps([(environment, url) for environment, url, _ in PROXIES])
    found = subprocess.run(
        [sys.executable, "-c", ASK_FOR_PROXIES], input=asked, capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout) == [expected for _, _, expected in PROXIES]


def test_a_proxy_that_cannot_be_used_is_a_mistake() -> None:
    asked = json.dumps([({"all_proxy": "socks5://proxy:1080"}, "https://api.coze.cn")])
    found = subprocess.run(
        [sys.executable, "-c", ASK_FOR_PROXIES], input=asked, capture_output=True, text=True, check=True
    )
    (text,) = json.loads(found.stdout)
    assert text.startswith("InputError: ")
    assert "socks5" in text


def test_loopback_needs_no_proxy_here_either() -> None:
    assert proxy_for(URL("http://127.0.0.1:1")) is None
