"""Secrets in addresses: the name and the password in `https://name:password@host`, and the query of a wrong base URL.

No message may repeat them.
"""

import re

_USER_INFO = re.compile(r"(/\\*/|%2[fF]%2[fF])[^/?#\s\"<>]*@")


def without_user_info(text: str) -> str:
    r"""Replace the user info of each address in the text by `…`. The slashes may be escaped as in JSON (`\/`)."""
    return _USER_INFO.sub(r"\1…@", text) if "@" in text else text


def without_secrets(address: str) -> str:
    """What may be shown of a wrong address: neither its user info, even without a scheme, nor its query or fragment."""
    address = re.sub(r"([?#]).*", r"\1…", address, flags=re.DOTALL)
    return re.sub(r"^(\w+:)?(//)?.*@", r"\1\2…@" if "//" in address else "…@", address, flags=re.DOTALL)
