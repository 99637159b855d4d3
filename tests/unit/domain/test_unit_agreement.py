"""Which echoes agree with the inputs that were sent."""

import html
import json
import unicodedata
from urllib.parse import quote

import msgspec
import pytest

from batchrun.domain.agreement import agrees, shown

CAFE = 'cafe\u0301  a\r\nb & "c" <d> \uff11\u00a0\U0001f600 long street'
OBJECT = {"text": CAFE, "b": 2, "a": [0.3333333333, True, None]}


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


LONG = "What is the capital of France, and how many people live there?"


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        ("007", 7),
        ("7", 7.0),
        (7, "7.00"),
        ("1e3", 1000),
        (-1, "-1"),
        (7563016372343701505, 7563016372343702000),
        ("0.1000000000000000055", 0.1),
        (12345678901234567890123, "12345678901234567890123"),
        (" a b\n", "a b"),
        ("True", True),
        (True, 1),
        ("0", False),
        ("", None),
        (None, ""),
        (None, 0),
        ("x", None),
        (LONG, LONG[:20]),
        (LONG, LONG[:3] + "…"),
        (LONG, LONG[:30] + " (truncated)"),
        ("some text12 more", "some text"),
        ("some text12 more", "some text12"),
        ("é" * 20, "é" * 17 + "\ufffd"),
        ({"a": 1, "b": " x"}, {"a": "1", "b": "x", "c": 2}),
        ({"a": [1, 2]}, '{"a": [1, 2]}'),
        ('[1, {"a": null}]', [1, {"a": 5}]),
        ([LONG, LONG], [LONG]),
        ((1, 2), [1, 2]),
        ({"text": LONG}, '{"text":"What is the cap'),
        (msgspec.Raw(b'{"n": 1.0}'), {"n": 1}),
        (msgspec.Raw(b"12345678901234567890123"), 12345678901234567890123),
        ("9" * 500, "9" * 500),
        # text in another form
        (CAFE, unicodedata.normalize("NFC", CAFE)),
        (unicodedata.normalize("NFC", CAFE), CAFE),
        (CAFE, unicodedata.normalize("NFKC", CAFE)),
        (CAFE, CAFE.replace("\r\n", "\n")),
        (CAFE, CAFE.replace("\r\n", "\r")),
        (CAFE, " ".join(CAFE.split())),
        (CAFE, "".join(CAFE.splitlines())),
        (CAFE, html.escape(CAFE)),
        (html.escape(CAFE), CAFE),
        (CAFE, json.dumps(CAFE)),
        (CAFE, json.dumps(CAFE)[1:-1]),
        (CAFE, json.dumps(CAFE, ensure_ascii=False)),
        (CAFE, quote(CAFE)),
        (CAFE, CAFE.encode().decode("latin-1")),
        ("a\0b\u200b", "ab"),
        ("2025-01-02", "2025-01-02T00:00:00Z"),
        ("2025-01-02T03:04:05", "2025-01-02 03:04:05.000+00:00"),
        # cut short
        (CAFE, CAFE[:10]),
        ("plain two three", "plain tw"),
        (CAFE, html.escape(CAFE)[:24]),
        (CAFE, json.dumps(CAFE)[:12]),
        (LONG, LONG[:20] + "... (42 more)"),
        (LONG, LONG[:10] + "..." + LONG[-10:]),
        # numbers
        (0.1234567890123, 0.123457),
        ("0.1234567890123", "0.12345679"),
        (0.1234567890123, 0.12345679104328156),
        (0.1234567890123456, 0.123456789012346),
        (1234567, "1,234,567"),
        (1234567.5, "1,234,567.50"),
        # objects and lists
        (OBJECT, json.dumps(OBJECT)[:12]),
        (OBJECT, json.dumps(OBJECT)[:12] + "..."),
        (OBJECT, json.dumps(OBJECT, sort_keys=True, indent=2)[:40]),
        (OBJECT, json.dumps(OBJECT, separators=(",", ":"))[:12]),
        (OBJECT, str(OBJECT)),
        (OBJECT, str(OBJECT)[:14]),
        (json.dumps(OBJECT), str(OBJECT)),
        (msgspec.Raw(json.dumps(OBJECT).encode()), str(OBJECT)),
        (OBJECT, {"text": CAFE[:10], "a": [0.333333]}),
        ([1, 2, 3], "1,2,3"),
    ],
)
def test_conversions_and_cuts_agree(sent: object, echoed: object) -> None:
    assert agrees(sent, echoed)


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        ("1", "10"),
        (1, 2),
        (-1, -2),
        (0, 1),
        (7563016372343701505, 7563016372343701506),
        (12345678901234567890123, 12345678901234567890124),
        ("row-12", "row-1"),
        ("", "x"),
        ("x", ""),
        ("x", "…"),
        ("a", "A"),
        (True, False),
        ("1", "true"),
        ("2", True),
        (LONG, LONG + "!"),
        (LONG[:30], LONG),
        ({"a": 1}, {"a": 2}),
        ([1, 2], [2, 1]),
        ([1], [1, 2]),
        ({"a": 1}, "a"),
        ("a", ["a"]),
        (1, float("nan")),
        (10**400, 1.0),
        (msgspec.Raw(b'{"n": 1}'), {"n": 2}),
        # not so short, nor so unlike
        ("order-10001", "order-1000"),
        ("a row with 12 cats", "a row with 1"),
        ("x²", "x2"),
        ("a b", "ab"),
        ("AT", "AT&T"),
        ("customer AT", "customer AT&T"),
        ("a&lt;b", "a>b"),
        (16777217, 16777216),
        (1234567, 1234570),
        (1234567, "1,234,568"),
        ("1,2", "12"),
        (0.1234567890123, 0.12346),
        (0.1234567890123456, 0.1234568890123456),
        ("2025-01-02", "2025-01-03T00:00:00Z"),
        ("2025-01-02T00:00:00", "2025-01-02T00:00:01"),
        (OBJECT, str({**OBJECT, "b": 3})),
        (OBJECT, json.dumps({"b": 20})[:8]),
        ({"b": 12, "c": 1}, '{"b": 1'),
        ([[1]] * 2, "1,1"),
        (deep(600), deep(601)),
    ],
)
def test_other_values_do_not_agree(sent: object, echoed: object) -> None:
    assert not agrees(sent, echoed)


@pytest.mark.parametrize("unit", ["word & caf\u00e9 ", " ", ".", "\u2026", "&", "(1 ", "\\u00e9", '"'])
def test_long_text_takes_linear_time_and_is_compared_in_the_usual_forms(unit: str) -> None:
    """A search that takes quadratic time would take hours."""
    text = "begin" + unit * 50_000 + "end"
    assert agrees(text, text[:-10])
    assert agrees(text, text.replace("\u00e9", "e\u0301") + "\n")
    assert not agrees(text, "x" + text)
    assert not agrees(text, text.replace("end", "ens"))
    assert not agrees(text, "x" + text[:19_000])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (msgspec.Raw(b'{"n": 1}'), "{'n': 1}"),
        (msgspec.Raw(b"[" * 3000 + b"]" * 3000), "'" + "[" * 59 + "…"),
        ("a\x1b\ud83d", "'a\\x1b\\ud83d'"),
        ("x" * 100, "'" + "x" * 59 + "…"),
    ],
)
def test_what_a_message_shows_of_a_value(value: object, text: str) -> None:
    assert shown(value, 60) == text


@pytest.mark.parametrize(
    ("sent", "echoed", "in_full"),
    [
        ("a  b", "a b", True),
        (CAFE, html.escape(CAFE), True),
        (True, 1, True),
        ({"a": [1, None]}, "{'a': [1, None]}", True),
        ({"a": 1, "b": None}, {"a": "1"}, True),
        ([1, "x  y"], [1, "x y"], True),
        (LONG, LONG[:20], False),
        (LONG, LONG[:20] + "…", False),
        ([LONG, LONG], [LONG], False),
        ([LONG], [LONG[:20]], False),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"text": LONG}, '{"text":"What is the cap', False),
        (0.123456789, 0.123457, False),
        (7563016372343701505, 7563016372343702000, False),
        ("y" * 30_000, "y" * 20_001, False),
    ],
)
def test_an_echo_that_was_cut_or_rounded_does_not_agree_in_full(sent: object, echoed: object, in_full: bool) -> None:
    assert agrees(sent, echoed)
    assert agrees(sent, echoed, in_full=True) == in_full
