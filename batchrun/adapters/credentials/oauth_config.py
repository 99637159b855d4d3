"""The description of an OAuth app: `coze_oauth_config.json`. It is read and checked without sending anything."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from batchrun.domain.hosts import is_in_the_clear
from batchrun.domain.marked_text import decode_marked
from batchrun.errors import InputError
from batchrun.options.types import web_address

_FIELDS = ("client_id", "private_key", "public_key_id", "coze_api_base")
_INTERACTIVE = ("web", "pkce", "device", "single_page")


@dataclass(frozen=True, slots=True)
class ServiceApp:
    """A service app. Its `repr` does not show the key."""

    client_id: str
    private_key: str = field(repr=False)
    public_key_id: str
    coze_api_base: str
    """The service that issues its tokens, and for which they are valid."""


def read_config(path: Path, *, allow_insecure: bool = False) -> ServiceApp:
    """Read the config of a service app. Raises `InputError` with all mistakes, without showing the key."""
    option = f"--oauth-config {path}"
    _import_extra(option)
    try:
        config = msgspec.json.decode(decode_marked(path.read_bytes()))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"{option}: cannot be read: {reason}") from None
    except (msgspec.MsgspecError, RecursionError):
        raise InputError(f"{option}: is not JSON") from None
    if not isinstance(config, dict):
        raise InputError(f"{option}: is not a JSON object, as coze_oauth_config.json is")
    if problems := list(_problems(config, allow_insecure=allow_insecure)):
        raise InputError(*(f"{option}: {problem}" for problem in problems))
    return ServiceApp(**{name: config[name].strip().rstrip("/") for name in _FIELDS})


def _problems(config: Mapping[str, Any], *, allow_insecure: bool) -> Iterator[str]:
    client_type = config.get("client_type")
    if client_type != "jwt":
        found = f"is {client_type}" if client_type in _INTERACTIVE else "is missing or unknown"
        yield (
            f"its client_type {found}; only jwt, a service app, is supported. The tokens of other apps need a person "
            "who logs in: print them with --token-command"
        )
        return
    missing = [name for name in _FIELDS if not isinstance(config.get(name), str) or not config[name].strip()]
    for name in missing:
        yield f"it has no {name}"
    if "private_key" not in missing and not _is_rsa_key(config["private_key"]):
        yield "its private_key is not an RSA key in PEM format without a passphrase"
    if "coze_api_base" not in missing:
        yield from _address_problems(config["coze_api_base"].strip(), allow_insecure=allow_insecure)


def _address_problems(address: str, *, allow_insecure: bool) -> Iterator[str]:
    try:
        web_address(address, "https://api.coze.cn")
    except ValueError as error:
        yield f"its coze_api_base is invalid: {error}"
        return
    if is_in_the_clear(address) and not allow_insecure:
        yield (
            f"its coze_api_base {address}: over http anybody on the way could read the token; use https, or add "
            "--allow-insecure if you trust the whole way"
        )


def _is_rsa_key(text: str) -> bool:
    rsa = import_module("cryptography.hazmat.primitives.asymmetric.rsa")
    serialization = import_module("cryptography.hazmat.primitives.serialization")
    unsupported = import_module("cryptography.exceptions").UnsupportedAlgorithm
    try:
        key = serialization.load_pem_private_key(text.strip().encode(), password=None)
    except (ValueError, TypeError, unsupported):
        return False
    return isinstance(key, rsa.RSAPrivateKey)


def _import_extra(option: str) -> None:
    try:
        # Authlib, which cozepy uses, shows its own deprecation warnings whatever the filters are.
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("ignore")
            for name in ("cozepy", "cryptography"):
                import_module(name)
    except ImportError:
        raise InputError(f"{option}: needs a package that is not installed: pip install 'batchrun[oauth]'") from None
