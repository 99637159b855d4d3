"""Every status with every body in every frame, and what the contract says about each."""

from collections.abc import Callable, Iterator
from functools import partial
from gzip import compress

from tests.harness.faulty_network.fault import End, Fault, Outcome, says
from tests.harness.faulty_network.framing import CHUNKED, chunks
from tests.harness.faulty_network.service import Exchange, encoded, whole

STATUSES = (
    *(200, 201, 202, 203, 204, 205, 206, 226, 299),
    *(300, 301, 302, 303, 304, 305, 307, 308, 399),
    *(
        400,
        401,
        402,
        403,
        404,
        405,
        406,
        407,
        408,
        409,
        410,
        411,
        413,
        414,
        415,
        416,
        417,
        418,
        421,
        422,
        423,
        424,
        425,
    ),
    *(426, 428, 429, 431, 451, 499),
    *(500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 524, 529, 599, 600, 999),
)
STOPPING = frozenset({401, 402, 403, 404, 405, 407, 410, 415})
"""Refusals that are not the row's fault: of the token, of the account, of the address, and of requests as such."""

BODIES: dict[str, Callable[[Exchange], bytes]] = {
    "no body": lambda _: b"",
    "an error": lambda exchange: exchange.words.refusal,
    "the answer": lambda exchange: encoded(exchange.good),
    "half an answer": lambda exchange: encoded(exchange.good)[:-4],
    "HTML": lambda _: b"<html>nginx</html>",
    "null": lambda _: b"null",
}
FRAMES = ("a length", "chunks", "no length", "gzip", "half")


def framed(exchange: Exchange, status: int, body: str, frame: str) -> bytes:
    """The bytes of an answer."""
    text, first = BODIES[body](exchange), b"HTTP/1.1 %d Some Words\r\n" % status
    if frame == "chunks":
        return first + CHUNKED + b"\r\n\r\n" + chunks(text) + b"0\r\n\r\n"
    if frame == "no length":
        return first + b"\r\n" + text
    if frame == "gzip":
        return packed_as(first, text)
    if frame == "half":
        return first + b"Content-Length: %d\r\n\r\n" % (len(text) + 100) + text
    return whole(text, status)


def packed_as(first: bytes, text: bytes) -> bytes:
    """A compressed answer."""
    body = compress(text)
    return first + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def outcome_of_post(api: str, status: int, body: str, frame: str) -> Outcome:
    """What the contract says."""
    is_read = frame != "half" and status not in {204, 304}
    is_error = is_read and body == "an error"
    if status == 429:
        return Outcome.THROTTLED
    if status == 503 or (is_error and 500 <= status < 600):
        return Outcome.AGAIN
    if status in STOPPING:
        return Outcome.STOPS
    if 400 <= status < 500 and status != 408:
        return Outcome.REJECTED
    if is_error and 200 <= status < 300 and (api == "open" or status == 200):
        return Outcome.AGAIN if api == "open" else Outcome.REJECTED
    return Outcome.GOOD if 200 <= status < 300 and is_read and body == "the answer" else Outcome.DOUBT


def outcome_of_synchronous_post(api: str, status: int, body: str, frame: str) -> Outcome:
    """What the contract says. A run whose ID is known is polled, whatever the status was."""
    found = outcome_of_post(api, status, body, frame)
    is_named = api == "v1" and body == "the answer" and frame != "half" and status not in {204, 304}
    return Outcome.GOOD if found is Outcome.DOUBT and is_named else found


def outcome_of_poll(status: int, body: str, frame: str) -> Outcome:
    """What the contract says."""
    if 200 <= status < 300 and body == "the answer" and frame != "half" and status != 204:
        return Outcome.GOOD
    return Outcome.GONE if status in {404, 410} else Outcome.REPEATED


def combinations() -> Iterator[Fault]:
    """All of them, for each API."""
    for api in ("v1", "open"):
        for status in STATUSES:
            for body in BODIES:
                for frame in FRAMES:
                    make = partial(framed, status=status, body=body, frame=frame)
                    ends = frame in {"no length", "half"} or status in {204, 304}
                    said = api, status, body, frame
                    yield Fault(
                        f"{status}, {body}, {frame}",
                        says(make, End.CLOSED if ends else End.KEPT),
                        outcome_of_post(*said),
                        outcome_of_synchronous_post(*said),
                        outcome_of_poll(*said[1:]),
                        (api,),
                        stops_first=300 <= status < 400,
                    )
