"""User info in addresses: the name and the password in `https://name:password@host`. No message may repeat it."""

import re

_USER_INFO = re.compile(r"(/\\*/|%2[fF]%2[fF])[^/?#\s\"<>]*@")


def without_user_info(text: str) -> str:
    r"""Replace the user info of each address in the text by `…`. The slashes may be escaped as in JSON (`\/`)."""
    return _USER_INFO.sub(r"\1…@", text) if "@" in text else text
