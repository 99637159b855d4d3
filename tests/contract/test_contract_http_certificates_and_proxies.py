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
        proxy = proxy_for(URL(url))
        found.append("" if proxy is None else str(proxy.url))
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
    ({"https_proxy": "http://me:secret@proxy:3128"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"https_proxy": "HTTPS://proxy"}, "https://api.coze.cn", "https://proxy"),
    ({"https_proxy": "http://proxy"}, "https://api.coze.cn", "http://proxy:1080"),
    ({"https_proxy": "", "HTTPS_PROXY": "http://proxy:3128"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"https_proxy": "http://lower:1", "HTTPS_PROXY": "http://upper:1"}, "https://api.coze.cn", "http://lower:1"),
    ({"HTTP_PROXY": "http://proxy:3128"}, "http://api.coze.cn", ""),
    ({"HTTP_PROXY": "http://proxy:3128", "ALL_PROXY": "http://other:1"}, "http://api.coze.cn", "http://other:1"),
    ({"ALL_PROXY": "http://proxy:3128"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"ALL_PROXY": "http://upper:1", "all_proxy": "http://lower:1"}, "https://api.coze.cn", "http://lower:1"),
    ({"all_proxy": "http://proxy:3128", "https_proxy": "http://p:1"}, "https://api.coze.cn", "http://p:1"),
    *(
        ({"all_proxy": "http://proxy:3128", "no_proxy": exceptions}, url, "" if bypassed else "http://proxy:3128")
        for exceptions, url, bypassed in [
            (".coze.cn", "https://api.coze.cn", True),
            (".coze.cn", "https://coze.cn", True),
            (" other.cn ,coze.cn", "https://api.coze.cn", True),
            ("other.cn coze.cn", "https://api.coze.cn", True),
            ("API.Coze.CN", "https://api.coze.cn", True),
            ("coze.cn.", "https://api.coze.cn", True),
            ("coze.cn", "https://api.coze.cn.", True),
            ("coze.cn", "https://mycoze.cn", False),
            ("api.coze.cn", "https://coze.cn", False),
            ("*.coze.cn", "https://api.coze.cn", False),
            (" * ", "https://api.coze.cn", True),
            (".", "https://api.coze.cn", False),
            ("10.0.0.0/8", "https://10.1.2.3", True),
            ("10.0.0.0/8", "https://11.1.2.3", False),
            ("10.1.2.3/8", "https://10.9.9.9:8443", True),
            ("10.1.2.3", "https://10.1.2.3", True),
            ("10.1.2.3", "https://10.1.2.30", False),
            ("10.1.2", "https://10.1.2.3", False),
            ("10.0.0.0/99,x/y", "https://10.1.2.3", False),
            ("2001:db8::/32", "https://[2001:db8::1]", True),
            ("2001:db8::1", "https://[2001:DB8:0::1]", True),
            ("[2001:db8::1]", "https://[2001:db8::1]", True),
            ("2001:db8::/32", "https://[2001:db9::1]", False),
            ("10.0.0.0/8", "https://api.coze.cn", False),
        ]
    ),
    ({"all_proxy": "http://proxy:3128", "NO_PROXY": "coze.cn"}, "https://api.coze.cn", ""),
    ({"all_proxy": "http://p:1", "no_proxy": "x", "NO_PROXY": "coze.cn"}, "https://api.coze.cn", "http://p:1"),
    ({"https_proxy": "socks5://proxy:1", "no_proxy": "coze.cn"}, "https://api.coze.cn", ""),
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


UNUSABLE = [
    *(
        (f"{scheme}://me:s3cretpw@proxy:1080", "SOCKS")
        for scheme in ("socks4", "socks4a", "socks5", "socks5h", "SOCKS")
    ),
    ("ftp://me:s3cretpw@proxy:21", "neither http nor https"),
    *(
        (f"{scheme}me:s3cretpw{rest}", "is no address of a proxy")
        for scheme in ("http://", "https://", "")
        for rest in ("@proxy:99999", "@proxy:0", "@proxy:x", "@", "@:3128", "/@proxy:1", "#@proxy:1", "@[::1", "@a b:1")
    ),
    ("http://12/s3cretpw@proxy:3128", "is no address of a proxy"),
    ("http://12?s3cretpw@proxy:3128", "is no address of a proxy"),
]


def test_a_proxy_that_cannot_be_used_is_a_mistake_and_its_password_is_not_shown() -> None:
    asked = json.dumps([({"all_proxy": address}, "https://api.coze.cn") for address, _ in UNUSABLE])
    found = subprocess.run(
        [sys.executable, "-c", ASK_FOR_PROXIES], input=asked, capture_output=True, text=True, check=True
    )
    for (address, reason), text in zip(UNUSABLE, json.loads(found.stdout), strict=True):
        assert text.startswith("InputError: all_proxy: "), address
        assert reason in text, address
        assert "s3cretpw" not in text, address


def test_loopback_needs_no_proxy_here_either() -> None:
    assert proxy_for(URL("http://127.0.0.1:1")) is None
