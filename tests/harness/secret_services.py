"""Services and proxies that repeat the secrets that they are sent, in every place and in every form."""

from collections.abc import Callable, Sequence
from urllib.parse import unquote

from tests.support.marked_secrets import FORMS
from tests.support.repeating_service import Received, answer, refusal

OK = "an output"
CLOSE = "Connection: close"
REQUESTS = 150
"""After so many requests a token is refused, if there is another."""


def _run(number: int, members: str) -> bytes:
    return answer(200, f'{{"run_id": "run-{number}", {members}}}')


POSTED: dict[str, Callable[[str, int], bytes]] = {
    "the message of a refusal": lambda said, _: refusal(400, f"no: {said}"),
    "the code of a refusal": lambda said, _: refusal(400, "no", said),
    "the end of a long message": lambda said, row: refusal(400, "x" * (row * 37 % 1200) + said),
    "a page of an error": lambda said, _: answer(500, f"<html>{said}</html>"),
    "a page of a success": lambda said, _: answer(200, f"<html>{said}</html>"),
    "a page in UTF-16": lambda said, _: answer(500, f"<html>{said}</html>".encode("utf-16")),
    "a refusal in UTF-16": lambda said, _: answer(400, f'{{"error": {{"message": "{said}"}}}}'.encode("utf-16")),
    "Retry-After": lambda said, _: answer(503, "{}", f"Retry-After: {said}"),
    "Location": lambda said, _: answer(307, "{}", f"Location: http://other.invalid/{said}"),
    "the reason of a status": lambda said, _: answer(400, "{}", reason=said),
    "a run_id": lambda said, row: answer(200, f'{{"run_id": "{said}{row}", "status": "pending"}}'),
    "a body that breaks off": lambda said, _: answer(500, said, CLOSE).replace(b"h: ", b"h: 9", 1),
    "a compressed body that is none": lambda said, _: answer(200, said, "Content-Encoding: gzip", CLOSE),
    "the name of an encoding": lambda said, _: answer(200, said, f"Content-Encoding: {said}", CLOSE),
    "what is not HTTP": lambda said, row: f"{'y' * (row * 7 % 150)} {said}\r\n\r\n".encode(),
    "a line that is no header": lambda said, _: f"HTTP/1.1 200 OK\r\n{CLOSE}\r\nX Y {said}\r\n\r\n".encode(),
    "a status that is none": lambda said, _: f"HTTP/1.1 {said}\r\n{CLOSE}\r\n\r\n".encode(),
    "a length that is none": lambda said, _: f"HTTP/1.1 200 OK\r\n{CLOSE}\r\nContent-Length: {said}\r\n\r\n".encode(),
    "a header that is too long": lambda said, _: f"HTTP/1.1 200 OK\r\n{CLOSE}\r\nX: {said * 300}\r\n\r\n".encode(),
}
"""Answers to a POST, by the place where they repeat what was sent. They get that, and the number of the row."""

POLLED: dict[str, Callable[[str, int], bytes]] = {
    OK: lambda said, row: _run(row, f'"status": "completed", "outputs": {{"you": "{said}"}}'),
    "a name in an output": lambda said, row: _run(row, f'"status": "completed", "outputs": {{"{said}": 1}}'),
    "the error of a run": lambda said, row: _run(
        row, f'"status": "failed", "error": {{"code": "{said}", "message": "{said}"}}'
    ),
    "an unknown status": lambda said, row: _run(row, f'"status": "{said}"'),
    "a page for a poll": lambda said, _: answer(200, f"<html>{said}</html>"),
}
"""Answers to a poll, likewise."""

PLACES = [place for place in (*POSTED, *POLLED) if place != OK]

ROWS = [row for form in FORMS for place in PLACES for row in ((OK, form), (place, form))]
"""What is repeated for each row: where, and in which form. Every second answer is in order: no other is an outage."""


class RepeatingService:
    """Repeats the token of each request, and for a poll also that of the POST of its row.

    `tokens`: those that are valid one after the other; each is refused after `REQUESTS` requests. `renew` is called
    with the next one before that.
    """

    def __init__(self, tokens: Sequence[str], renew: Callable[[str], None] = lambda _token: None) -> None:
        self._tokens, self._renew = list(tokens), renew
        self._requests = 0
        self._posted_with: dict[int, str] = {}

    def __call__(self, request: Received) -> bytes:
        """The answer to a request."""
        if request.token == self._tokens[0] and len(self._tokens) > 1 and self._requests > REQUESTS:
            self._tokens.pop(0)
            self._requests = 0
            self._renew(self._tokens[0])
        if request.token != self._tokens[0]:
            return refusal(401, f"no such token: {FORMS['JSON'](request.token)}")
        self._requests += 1
        if request.method == "POST":
            row = int(request.inputs["id"])
            place, form = ROWS[row]
            self._posted_with[row] = self.repeats(request)
            return POSTED.get(place, _pending)(FORMS[form](self.repeats(request)), row)
        run_id = request.target.partition("?")[0].rpartition("/")[2]
        if not run_id.startswith("run-"):
            return answer(200, f'{{"run_id": "{unquote(run_id)}", "status": "completed", "outputs": 1}}')
        row = int(run_id.removeprefix("run-"))
        place, form = ROWS[row]
        secrets = {self.repeats(request), self._posted_with.get(row, "")}
        said = " ".join(FORMS[form](secret) for secret in secrets)
        return POLLED[place](said, row)

    def forget(self) -> None:
        """Repeat no more what earlier commands have sent: a later command cannot know what was a secret of theirs."""
        self._posted_with.clear()

    def repeats(self, request: Received) -> str:
        """What of the request is repeated."""
        return request.token


def _pending(_said: str, row: int) -> bytes:
    return _run(row, '"status": "pending"')
