"""The config of an OAuth app: every mistake is one plain line, and no line of the key is shown."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

from batchrun.adapters.credentials.oauth import OAuthApp
from batchrun.errors import InputError
from batchrun.ports import NoTokenError
from tests.support.oauth_config import KEY, RSA_KEY, pem, write_config


def cases() -> dict[str, tuple[Callable[[Path], object], str]]:
    def changed(**changes: object) -> Callable[[Path], object]:
        return lambda path: write_config(path.parent, "http://127.0.0.1:9", **changes)

    def text(content: bytes) -> Callable[[Path], object]:
        return lambda path: path.write_bytes(content)

    no_key = "its private_key is not an RSA key in PEM format without a passphrase"
    return {
        "missing": (lambda _: None, "cannot be read: No such file or directory"),
        "a folder": (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        "not text": (text(b"\xff\xfe\x00"), "cannot be read: it is not text"),
        "not JSON": (text(b"{client_id: 1}"), "is not JSON"),
        "empty": (text(b""), "is not JSON"),
        "a list": (text(b"[]"), "is not a JSON object"),
        "interactive": (changed(client_type="pkce"), "its client_type is pkce; only jwt, a service app, is supported"),
        "advice": (changed(client_type="web"), "print them with --token-command"),
        "no type": (changed(client_type=None), "its client_type is missing or unknown"),
        "odd type": (changed(client_type=["jwt"]), "its client_type is missing or unknown"),
        "no key": (changed(private_key=None), "it has no private_key"),
        "no id": (changed(client_id=""), "it has no client_id"),
        "no key id": (changed(public_key_id=7), "it has no public_key_id"),
        "no address": (changed(coze_api_base=None), "it has no coze_api_base"),
        "bad address": (changed(coze_api_base="api.coze.cn"), "its coze_api_base is invalid: expected an address"),
        "in the clear": (changed(coze_api_base="http://service.invalid"), "over http anybody on the way"),
        "bad key": (changed(private_key=KEY.replace("A", "B")), no_key),
        "half a key": (changed(private_key=KEY[:300]), no_key),
        "with a passphrase": (changed(private_key=pem(RSA_KEY, BestAvailableEncryption(b"p"))), no_key),
        "of another kind": (changed(private_key=pem(ec.generate_private_key(ec.SECP256R1()))), no_key),
    }


CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_one_plain_line(tmp_path: Path, name: str) -> None:
    write, told = CASES[name]
    path = tmp_path / "coze_oauth_config.json"
    write(path)
    with pytest.raises(InputError) as caught:
        OAuthApp(path)
    (line,) = caught.value.problems
    assert line.startswith(f"--oauth-config {path}: ")
    assert told in line
    assert not [secret for secret in KEY.splitlines() if secret in line]


@pytest.mark.parametrize("address", ["https://api.coze.cn", "https://api.coze.cn/", "http://localhost:1"])
def test_a_config_without_mistakes_shows_no_secret(tmp_path: Path, address: str) -> None:
    path = write_config(tmp_path, address)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    app = OAuthApp(path)
    assert app.base_url == address.rstrip("/")
    shown = f"{app!r} {app} {vars(app)}"
    assert not [secret for secret in KEY.splitlines() if secret in shown]


def test_http_to_another_machine_may_be_allowed(tmp_path: Path) -> None:
    path = write_config(tmp_path, "http://service.invalid")
    assert OAuthApp(path, allow_insecure=True).base_url == "http://service.invalid"


def test_a_claim_that_cannot_be_signed_ends_the_request(tmp_path: Path) -> None:
    """authlib refuses claims that look like a card number, which another draw of the identifier does not change."""
    app = OAuthApp(write_config(tmp_path, "http://127.0.0.1:9", client_id="4111111111111111"))
    with pytest.raises(NoTokenError, match=r"its claims cannot be signed: .*iss"):
        app.issue()
