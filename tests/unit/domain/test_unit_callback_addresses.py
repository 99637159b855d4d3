"""A callback address proves its own attempt and no other."""

from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.callback_addresses import Attempt, CallbackAddresses

KEYS = st.binary(min_size=32, max_size=32)
ROWS = st.integers(0, 10**12)
ATTEMPTS = st.integers(1, 10**6)
BASE = "https://jobs.example.com/hooks"
OURS = CallbackAddresses(BASE, b"k" * 32)


def path_of(address: str) -> str:
    return address.removeprefix("https://jobs.example.com")


@given(KEYS, ROWS, ATTEMPTS)
def test_an_address_proves_its_attempt_in_every_session(key: bytes, row: int, attempt: int) -> None:
    address = CallbackAddresses(BASE, key).of(row, attempt)
    assert address == CallbackAddresses(BASE + "/", key).of(row, attempt)
    assert CallbackAddresses(BASE, key).proven(path_of(address)) == Attempt(row, attempt)


@given(KEYS, KEYS, ROWS, ATTEMPTS)
def test_another_job_s_address_proves_nothing(key: bytes, other: bytes, row: int, attempt: int) -> None:
    address = CallbackAddresses(BASE, other).of(row, attempt)
    assert (CallbackAddresses(BASE, key).proven(path_of(address)) is not None) == (key == other)


@given(ROWS, ATTEMPTS, ROWS, ATTEMPTS)
def test_one_attempt_s_proof_is_no_other_s(row: int, attempt: int, row2: int, attempt2: int) -> None:
    proof = OURS.of(row, attempt).rpartition(".")[2]
    proven = OURS.proven(f"/hooks/{row2}.{attempt2}.{proof}")
    assert proven == (Attempt(row, attempt) if (row, attempt) == (row2, attempt2) else None)


@given(st.text() | st.from_regex(r"/[0-9]{1,30}\.[0-9]{1,30}\.[A-Za-z0-9_-]{20,24}", fullmatch=True))
def test_any_other_path_proves_nothing_and_raises_nothing(path: str) -> None:
    assert OURS.proven(path) is None


@given(ROWS, ATTEMPTS, st.data())
def test_a_changed_character_is_noticed(row: int, attempt: int, data: st.DataObject) -> None:
    token = OURS.of(row, attempt).rpartition("/")[2]
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda char: char not in {token[place], "/"}))
    assert OURS.proven("/" + token[:place] + other + token[place + 1 :]) is None


def test_a_proxy_may_strip_or_add_a_prefix() -> None:
    token = OURS.of(7, 2).rpartition("/")[2]
    assert token.startswith("7.2.")
    for path in (f"/{token}", f"/a/b/c/{token}", f"//{token}"):
        assert OURS.proven(path) == Attempt(7, 2)
    for path in (f"/{token}/", f"/{token}.", f"/0{token}", f"/{token}x", f"/{token[:-1]}", f"/{token}\n"):
        assert OURS.proven(path) is None


def test_the_proof_has_128_bits_and_shows_nothing_of_the_key() -> None:
    proof = CallbackAddresses(BASE, b"secret-of-the-job" * 2).of(0, 1).rpartition(".")[2]
    assert len(proof) == 22
    assert "secret" not in proof
