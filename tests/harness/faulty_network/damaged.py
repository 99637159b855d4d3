"""Good answers in which some bytes after the status line are changed, inserted, missing or repeated."""

from random import Random

from tests.harness.faulty_network.fault import End, Fault, says
from tests.harness.faulty_network.service import MOMENTS, WORDS, Exchange, encoded, whole

OFTEN = b'\x00\r\n :"{}[],\\\xff0-'
"""Bytes that mean something, and are therefore drawn more often than others."""


def damaged(seed: int) -> tuple[Fault, str, str]:
    """A fault, an API and a moment. Nothing is known of the outcome."""
    draw = Random(seed)
    api, moment, end = draw.choice([*WORDS]), draw.choice(MOMENTS), draw.choice([End.KEPT, End.CLOSED, End.RESET])
    seeds = draw.randrange(1 << 30)

    def make(exchange: Exchange) -> bytes:
        text = whole(encoded(exchange.good), 200, b"Content-Type: application/json", b"Date: today")
        head, rest = text[: text.index(b"\n") + 1], bytearray(text[text.index(b"\n") + 1 :])
        again = Random(seeds + exchange.row)
        for _ in range(again.choice([1, 1, 2, 5])):
            _damage(rest, again)
        return head + bytes(rest)

    return Fault(f"seed {seed}", says(make, end), None, None, None, (api,)), api, moment


def _damage(data: bytearray, draw: Random) -> None:
    at = draw.randrange(len(data) + 1)
    kind = draw.randrange(5)
    if kind == 0:
        data[at : at + 1] = bytes([draw.choice(OFTEN)])
    elif kind == 1:
        data[at : at + 1] = bytes([draw.randrange(256)])
    elif kind == 2:
        data[at:at] = bytes(draw.choice(OFTEN) for _ in range(draw.choice([1, 2, 100, 10_000])))
    elif kind == 3:
        del data[at : at + draw.choice([1, 2, 20, 1000])]
    else:
        data[at:at] = data[at : at + draw.randrange(50)] * draw.choice([1, 1000])
