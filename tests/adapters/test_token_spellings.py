"""A token is masked however it is spelled, and JSON around it stays valid."""

import base64
import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.adapters.credentials.secret import Secret

TOKEN = 'tok_abc/+%2\\"xyz'


def spelled(text: str, choices: list[int]) -> str:
    """The text as it may stand in a JSON string: each character by itself, or by one of its escapes."""
    spelling = ""
    for index, character in enumerate(text):
        choice = choices[index % len(choices)]
        if choice == 1:
            spelling += f"\\u{ord(character):04x}"
        elif choice == 2:
            spelling += f"\\u{ord(character):04X}"
        elif character in '\\"' or (character == "/" and choice == 3):
            spelling += "\\" + character
        else:
            spelling += character
    return spelling


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=20), max_size=4))
def test_any_spelling_in_json_is_masked_also_of_json_within_json(levels: list[list[int]]) -> None:
    text = TOKEN
    for choices in levels:
        text = spelled(text, choices)
    if not levels:
        text = spelled(text, [0])
    body = f'{{"a":"line\\n {text}\\" end\\\\"}}'.encode()
    masked = Secret(TOKEN).masked(body, refusal=False)
    assert json.loads(masked)["a"] == 'line\n ***" end\\'


@pytest.mark.parametrize(
    "spelling",
    [
        "tok%5Fabcdefgh",
        "tok%255Fabcdefgh",
        "%74ok_abcdefgh",
        r"\u0074\u006F\u006b_abcdefgh",
        r"\\\u0074ok_abcdefgh",
        r"\x74ok_abcdefgh",
        r"\u{74}ok_abcdefgh",
        "&#116;ok_abcdefgh",
        "&#x74;ok&#x5F;abcdefgh",
        "&#116;&#111;&#107;&#95;&#97;&#98;&#99;&#100;&#101;&#102;&#103;&#104;",
    ],
)
def test_escapes_of_addresses_and_of_single_letters_are_masked(spelling: str) -> None:
    secret = Secret("tok_abcdefgh")
    text = f"first {spelling}, then {spelling}"
    assert secret.masked_text(text, refusal=False) == "first ***, then ***"
    assert secret.masked_text(f"{spelling}tok_abcdefgh", refusal=False) == "******"


@pytest.mark.parametrize(
    "text",
    [
        rb'{"a":"\u003cb\u003e 100% \\\\ \ud83d\ude00"}',
        b"tok_abcdefg",
        b"%",
        b"\\u00",
        b"%74ok_abcdefg%",
        b"\xff\\u00e9",
    ],
)
def test_other_text_stays_as_it_is(text: bytes) -> None:
    assert Secret("tok_abcdefgh").masked(text, refusal=True) == text


def test_a_short_token_is_masked_in_its_header_alone_however_that_is_spelled() -> None:
    secret = Secret("t")
    body = rb"not right: Bearer t, \u0042earer t, Bearer%20t"
    assert re.sub(rb"\*+", b"*", secret.masked(body, refusal=True)) == rb"not right: Bearer *, Bearer *, Bearer *"
    assert secret.masked(body, refusal=False) == body


@pytest.mark.parametrize("encode", [base64.b64encode, bytes.hex, lambda raw: base64.b64encode(b"Bearer " + raw)])
def test_encoded_tokens_are_masked(encode: Callable[[bytes], bytes | str]) -> None:
    encoded = encode(b"tok_abcdefgh")
    text = encoded if isinstance(encoded, str) else encoded.decode()
    masked = Secret("tok_abcdefgh").masked_text(f"sent {text}.", refusal=False)
    # The characters at both ends of base64 hold bits of what stands beside the token.
    assert re.fullmatch(r"sent (QmVhcmVyIH)?\*\*\*(A==)?\.", masked), masked
