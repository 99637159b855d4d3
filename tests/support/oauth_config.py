"""The config of a service app, with a key of its own."""

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)


def pem(key: Any, encryption: KeySerializationEncryption | None = None) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return text.decode()


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEY = pem(RSA_KEY)


def write_config(folder: Path, url: str, **changes: object) -> Path:
    config: dict[str, object] = {
        "client_type": "jwt", "client_id": "1106", "private_key": KEY, "public_key_id": "kid-1",
        "coze_api_base": url, "coze_www_base": "https://www.coze.cn",
    }  # fmt: skip
    path = folder / "coze_oauth_config.json"
    path.write_text(json.dumps({name: value for name, value in (config | changes).items() if value is not None}))
    return path
