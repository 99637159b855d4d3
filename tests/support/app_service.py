"""A stub of api.coze.cn: it issues tokens to a service app and runs a workflow that returns its inputs."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from tests.support.stub_server import ReceivedRequest, StubResponse

TOKEN_PATH = "/api/permission/oauth2/token"
WORKFLOW = {"workflow_detail": {"workflow_id": "w", "workflow_name": "echo"}}


def reply(answer: object, status: int = 200) -> StubResponse:
    return StubResponse(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})


def bearer(request: ReceivedRequest) -> str:
    return request.headers["authorization"].removeprefix("Bearer ")


class CozeService:
    """`is_valid` decides about the token of each request; `issue` may answer a request for a token instead."""

    def __init__(self) -> None:
        self.lifetime = 900
        self.issued: list[str] = []
        self.signed: list[str] = []
        """The requests for tokens, as signed by the app."""
        self.refused = 0
        self.runs: dict[str, Any] = {}
        self.refusal: StubResponse = reply({"code": 4100, "msg": "authentication is invalid"})
        self.is_valid: Callable[[ReceivedRequest, str], bool] = lambda _request, token: token in self.issued
        self.issue: Callable[[int], StubResponse | None] = lambda _number: None

    def __call__(self, request: ReceivedRequest) -> StubResponse:
        if request.path == TOKEN_PATH:
            self.signed.append(bearer(request))
            return self.issue(len(self.signed)) or self._token()
        if not self.is_valid(request, bearer(request)):
            self.refused += 1
            return self.refusal
        if request.method == "POST":
            run = str(7_000_000_000_000_000_000 + time.monotonic_ns())
            self.runs[run] = json.loads(request.body)["parameters"]
            return reply({"code": 0, "msg": "", "execute_id": run})
        run = request.path.rpartition("/")[2].rpartition("execute_id=")[2]
        if run not in self.runs:
            return reply({"code": 0, "msg": "", "data": WORKFLOW})
        record = {"execute_id": run, "execute_status": "Success", "output": json.dumps({"Output": "{}"})}
        return reply({"code": 0, "msg": "", "data": [record]})

    def _token(self) -> StubResponse:
        self.issued.append(f"czs_{len(self.issued)}_{'s3cr3t' * 4}")
        expires = int(time.time()) + self.lifetime  # noqa: TID251 - the clock of another machine
        return reply({"access_token": self.issued[-1], "expires_in": expires, "token_type": "Bearer"})


def claims(signed: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims of a signed request."""
    header, payload, _ = signed.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, payload))
