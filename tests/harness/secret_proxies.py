"""Proxies that repeat the password with which they are used."""

import base64
import itertools
from urllib.parse import quote

from tests.harness.secret_services import RepeatingService
from tests.support.marked_secrets import FORMS
from tests.support.repeating_service import Received, answer

USER, PASSWORD = "alice", 'Pw/3Kd+8Sx"5Lz<1Hq&7Vn%9Rt'
CREDENTIALS = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def address(url: str) -> str:
    """The address of the proxy at `url`, with the user and the password, for a variable of the environment."""
    return url.replace("://", f"://{USER}:{quote(PASSWORD, safe='')}@")


class AnsweringProxy(RepeatingService):
    """A proxy for http that answers in the place of the service, and repeats its own password."""

    def __call__(self, request: Received) -> bytes:
        if request.headers.get("proxy-authorization") != f"Basic {CREDENTIALS}":
            return answer(407, "who are you?")
        return super().__call__(request)

    def repeats(self, _request: Received) -> str:
        return PASSWORD


class RefusingProxy:
    """A proxy for https that refuses each tunnel, in another form and with another status each time."""

    def __init__(self) -> None:
        self._ways = itertools.cycle(itertools.product((403, 407, 502), FORMS))

    def __call__(self, request: Received) -> bytes:
        status, form = next(self._ways)
        said = f"{FORMS[form](PASSWORD)} {request.headers.get('proxy-authorization')}"
        return answer(status, f"<html>{said}</html>", f"Proxy-Authenticate: {said}", reason=said)
