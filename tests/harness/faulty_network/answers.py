"""Faults of what is said: statuses, bodies and identities, in complete and valid HTTP."""

import json
from collections.abc import Callable

from tests.harness.faulty_network.fault import Fault, Outcome, doubtful, good, says
from tests.harness.faulty_network.service import Exchange, encoded, whole

V1 = ("v1",)
GOOD, DOUBT, REPEATED = Outcome.GOOD, Outcome.DOUBT, Outcome.REPEATED


def body(make: Callable[[bytes], bytes], *headers: bytes) -> Callable[[Exchange], bytes]:
    """What becomes of the good answer."""
    return lambda exchange: whole(make(encoded(exchange.good)), 200, *headers)


def instead(text: bytes) -> Callable[[Exchange], bytes]:
    return body(lambda _: text)


def renamed(make: Callable[[str], object]) -> Callable[[Exchange], bytes]:
    """The good answer with another ID of its run, wherever it is."""

    def change(value: object, exchange: Exchange) -> object:
        if isinstance(value, list):
            return [change(one, exchange) for one in value]
        if not isinstance(value, dict):
            return value
        changed = {key: change(one, exchange) for key, one in value.items()}
        return changed | {key: make(exchange.run_id) for key in ("run_id", "execute_id") if key in value}

    return lambda exchange: whole(encoded(change(exchange.good, exchange)))


def known(make: Callable[[str], str]) -> Callable[[Exchange], bytes]:
    """The good answer with another ID, by which the service knows the run from now on."""

    def respond(exchange: Exchange) -> bytes:
        runs = exchange.service.runs
        name = make(exchange.run_id)
        runs[name] = runs[exchange.run_id]
        return renamed(lambda _: name)(exchange)

    return respond


def more(**members: object) -> Callable[[Exchange], bytes]:
    """The good answer with further members."""
    return lambda exchange: whole(encoded({**members, **exchange.good}))


def other_run(exchange: Exchange) -> bytes:
    """What would be said of the run of another row."""
    first = next(name for name, (row, *_) in exchange.service.runs.items() if row != exchange.row)
    text = json.dumps(exchange.good)
    return whole(text.replace(exchange.run_id, first).encode())


def twice(exchange: Exchange) -> bytes:
    """The ID of the run two times, with two values."""
    text = encoded(exchange.good)
    name = b"execute_id" if exchange.api == "open" else b"run_id"
    return whole(text.replace(b'"%s":' % name, b'"%s": "other", "%s":' % (name, name), 1))


def run_id(name: str, make: Callable[[str], object]) -> Fault:
    """A run_id that cannot be used. A synchronous result is kept without it."""
    return Fault(f"a run_id that is {name}", says(renamed(make)), DOUBT, GOOD, REPEATED)


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


def with_text(text: str) -> Callable[[Exchange], bytes]:
    """The good answer with a further member of this text."""
    return body(lambda answer: b'{"more": ' + text.encode("utf-8", "surrogatepass") + b", " + answer[1:])


BODIES = [
    doubtful("no body", says(instead(b""))),
    doubtful("blanks", says(instead(b"  \r\n \t"))),
    doubtful("null", says(instead(b"null"))),
    doubtful("an empty object", says(instead(b"{}"))),
    doubtful("an empty list", says(instead(b"[]"))),
    doubtful("a list with the answer", says(body(lambda text: b"[" + text + b"]"))),
    doubtful("a number", says(instead(b"17"))),
    doubtful("a text", says(instead(b'"run-1"'))),
    doubtful("a page of HTML", says(instead(b"<html><body>It works!</body></html>"))),
    doubtful("JSON cut off", says(body(lambda text: text[:-3]))),
    doubtful("JSON cut off in a name", says(body(lambda text: text[:9]))),
    doubtful("JSON in brackets that do not match", says(body(lambda text: text[:-1] + b"]"))),
    doubtful("zero bytes", says(body(lambda text: bytes(len(text))))),
    doubtful("the answer in base64", says(instead(b"eyJydW5faWQiOiAicnVuLTEifQ=="))),
    doubtful("brackets without an end", says(instead(b"[" * 1_000_000))),
    doubtful("objects without an end", says(instead(b'{"a":' * 300_000))),
    good("a text by its type", says(body(bytes, b"Content-Type: text/html; charset=latin-1"))),
    good("a byte order mark", says(body(lambda text: b"\xef\xbb\xbf" + text))),
    good("UTF-16", says(body(lambda text: text.decode().encode("utf-16")))),
    good("zero bytes at the end", says(body(lambda text: text + bytes(3)))),
    good("bytes that are no text", says(with_text('"caf\udcff"'))),
    good("NaN", says(with_text("[NaN, -Infinity, 1e999]"))),
    good("half a pair of surrogates", says(with_text('"\\ud800"'))),
    good("a member nested deeply", says(with_text(deep(50_000)))),
    good("a member of a megabyte", says(with_text('"' + "x" * 1_000_000 + '"'))),
    good("a hundred thousand members", says(more(**{f"m{number}": number for number in range(100_000)}))),
    Fault(
        "an error as documented",
        says(lambda exchange: whole(exchange.words.refusal)),
        Outcome.REJECTED,
        Outcome.REJECTED,
        REPEATED,
        V1,
    ),
    Fault(
        "an error as documented, of a code that nobody knows",
        says(lambda exchange: whole(exchange.words.refusal)),
        Outcome.AGAIN,
        Outcome.AGAIN,
        REPEATED,
        ("open",),
    ),
    doubtful("half an error", says(instead(b'{"error": {"code": "SOME_CODE"}}'))),
    doubtful("an error that is a text", says(instead(b'{"error": "no"}'))),
]

IDENTITIES = [
    run_id("null", lambda _: None),
    run_id("empty", lambda _: ""),
    run_id("a list", lambda name: [name]),
    run_id("an object", lambda name: {"id": name}),
    run_id("true", lambda _: True),
    run_id("longer than a path may be", lambda name: name * 1000),
    run_id("the folder above", lambda _: ".."),
    run_id("a text with a line feed", lambda name: f"{name}\nX-Header: 1"),
    Fault("a run_id that is a path", says(known(lambda name: f"../../{name}?a=b#c%2F")), GOOD, GOOD, None),
    Fault("a run_id of another script", says(known(lambda name: f"运行 {name}")), GOOD, GOOD, None),
    Fault("the run of another row", says(other_run), DOUBT, DOUBT, REPEATED, V1, needs_another=True),
    Fault("the run of another row of the cloud", says(other_run), DOUBT, None, REPEATED, ("open",), needs_another=True),
    Fault("two values of the run's ID", says(twice), DOUBT, None, REPEATED),
    Fault("another workflow", says(body(lambda text: text.replace(b'"w"', b'"other"'))), None, None, REPEATED, V1),
]


def redirect(status: int) -> Fault:
    """To another place."""
    place = b"Location: http://elsewhere.invalid/v1/workflow/run"
    return Fault(
        f"a redirect by {status}", says(lambda _: whole(b"", status, place)), DOUBT, DOUBT, REPEATED, stops_first=True
    )


def throttled(name: str, *headers: bytes) -> Fault:
    """A 429 with these headers."""
    return Fault(
        f"429, {name}",
        says(lambda exchange: whole(exchange.words.refusal, 429, *headers)),
        Outcome.THROTTLED,
        Outcome.THROTTLED,
        REPEATED,
    )


SOON = "Fri, 09 Oct 2099 00:00:00 GMT"
STATUSES = [
    *(redirect(status) for status in (301, 302, 303, 307, 308)),
    throttled("without a Retry-After"),
    throttled("Retry-After in seconds", b"Retry-After: 7"),
    throttled("Retry-After on a date", b"Date: Thu, 08 Oct 2099 23:59:50 GMT", f"Retry-After: {SOON}".encode()),
    throttled("Retry-After in the past", b"Retry-After: Fri, 01 Jan 1999 00:00:00 GMT"),
    throttled("a negative Retry-After", b"Retry-After: -5"),
    throttled("a Retry-After of garbage", b"Retry-After: soon"),
    throttled("two values of Retry-After", b"Retry-After: 1", b"Retry-After: 5"),
]

ANSWERS: list[Fault] = [*BODIES, *IDENTITIES, *STATUSES]
