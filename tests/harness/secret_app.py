"""A service of an OAuth app that repeats the tokens that it issues, and the requests that the app has signed."""

import json
import time

from tests.harness.secret_jobs import TOKENS
from tests.support.app_service import TOKEN_PATH, CozeService, bearer, reply
from tests.support.marked_secrets import FORMS
from tests.support.stub_server import ReceivedRequest, StubResponse

REQUESTS = 40
"""After so many requests a token is refused."""


class RepeatingApp(CozeService):
    """Repeats the token of each request in another form each time."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = 0
        self.issue = self._issue
        self.is_valid = lambda _request, token: token == self.issued[-1]

    def __call__(self, request: ReceivedRequest) -> StubResponse:
        """The answer to a request."""
        self.requests += 1
        if request.path == TOKEN_PATH:
            return super().__call__(request)
        token, form = bearer(request), [*FORMS][self.requests % len(FORMS)]
        if self.requests % REQUESTS == 0 and token == self.issued[-1]:
            self.issued.append("none")
        said = FORMS[form](token)
        if not self.is_valid(request, token):
            return StubResponse(401, f'{{"code": 4100, "msg": "no such token: {said}"}}'.encode())
        answer = super().__call__(request)
        if request.method == "POST":
            return (
                StubResponse(200, f'{{"code": 4000, "msg": "no: {said}"}}'.encode()) if len(self.runs) % 3 else answer
            )
        record = json.loads(answer.body)
        if isinstance(record["data"], list):
            record["data"][0]["output"] = "SAID"
            record["data"][0] |= {"debug_url": "SAID", "logid": "SAID"}
        return StubResponse(200, json.dumps(record).replace("SAID", said).encode())

    def _issue(self, number: int) -> StubResponse:
        if number == 1:
            return reply({"error_code": "x", "error_message": f"not now: {self.signed[-1]}"}, 503)
        self.issued.append(TOKENS[number % 2])
        expires = int(time.time()) + 900  # noqa: TID251 - the clock of another machine
        return reply({"access_token": self.issued[-1], "expires_in": expires, "token_type": "Bearer"})
