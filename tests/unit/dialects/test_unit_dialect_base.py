"""What all dialects share."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchrun.dialects import DIALECTS
from batchrun.dialects.base import MAX_BODY, MAX_HEAD, UnsendableError, encode, head, iso_ms
from batchrun.dialects.retry_after import MAX_RETRY_AFTER, retry_after

NOW = 1_761_667_120_000
"""2025-10-28T15:58:40Z."""


def test_the_dialects_by_name() -> None:
    assert "v1" in DIALECTS


# -- Retry-After


def asked(text: str) -> float | None:
    return retry_after({"retry-after": text}, NOW)


@given(st.integers(0, 31_622_400))
def test_retry_after_in_seconds(seconds: int) -> None:
    assert asked(str(seconds)) == seconds
    assert asked(f"  {seconds} ") == seconds


def test_retry_after_in_fractions_of_a_second() -> None:
    assert asked("1.5") == 1.5


@given(st.integers(-(10**6), 10**6), st.sampled_from([0, 8, -5]))
def test_retry_after_as_a_date_counts_from_the_answer_and_is_never_negative(seconds: int, hours: int) -> None:
    date = datetime.fromtimestamp(NOW / 1000 + seconds, timezone(timedelta(hours=hours)))
    text = format_datetime(date.astimezone(UTC), usegmt=True) if hours == 0 else format_datetime(date)
    assert asked(text) == max(0, seconds)


def test_retry_after_in_the_older_forms_of_a_date() -> None:
    assert asked("Tuesday, 28-Oct-25 15:58:50 GMT") == 10
    assert asked("Tue Oct 28 15:58:50 2025") == 10


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1\n7200", 7200),
        ("3600, 1", 3600),
        ("soon\n5", 5),
        ("Tue, 28 Oct 2025 15:58:50 GMT, 3", 10),
        ("3, Tue, 28 Oct 2025 15:58:50 GMT", 10),
        ("1\n" + "9" * 5000, MAX_RETRY_AFTER),
    ],
)
def test_of_several_values_the_longest_counts(text: str, seconds: float) -> None:
    assert asked(text) == seconds


@pytest.mark.parametrize("text", ["", "-5", "soon", "1e3", "nan", "inf", "0x10", "1 2", "1,5", "++1", "Tue, 99 Oct"])
def test_a_retry_after_that_makes_no_sense_is_none(text: str) -> None:
    assert asked(text) is None


def test_without_retry_after_there_is_none() -> None:
    assert retry_after({}, NOW) is None


@given(st.text(st.characters(codec="latin-1"), max_size=40), st.integers(0, 2**43))
def test_retry_after_never_raises_on_text(text: str, now: int) -> None:
    found = retry_after({"retry-after": text}, now)
    assert found is None or found >= 0


# -- times


@pytest.mark.parametrize(
    "text",
    [
        "2025-10-28T15:58:40Z",
        "2025-10-28T15:58:40.000Z",
        "2025-10-28T15:58:40",
        "2025-10-28 15:58:40+00:00",
        "2025-10-28T23:58:40+08:00",
        "20251028T155840Z",
    ],
)
def test_iso_8601_in_all_its_forms(text: str) -> None:
    assert iso_ms(text) == NOW


BEYOND = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.9996Z")
"""Times outside the years that `datetime` can hold in UTC."""


@pytest.mark.parametrize("value", [None, 1761667120, "", "yesterday", "2025-13-01T00:00:00Z", {}, [], *BEYOND])
def test_what_is_no_time_is_none(value: object) -> None:
    assert iso_ms(value) is None


@given(st.text(max_size=40))
def test_times_never_raise(text: str) -> None:
    assert iso_ms(text) is None or isinstance(iso_ms(text), int)


@given(
    st.datetimes(
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))]),
        min_value=datetime(1, 1, 3),  # noqa: DTZ001 - Hypothesis adds the zone
        max_value=datetime(9999, 12, 29),  # noqa: DTZ001 - likewise
    )
)
@example(datetime(6326, 1, 1, 0, 0, 0, 510508, tzinfo=UTC))  # as a float it has no microseconds
def test_times_are_exact_to_the_millisecond(moment: datetime) -> None:
    found = iso_ms(moment.isoformat())
    assert found is not None
    exact = moment - datetime(1970, 1, 1, tzinfo=UTC)
    assert abs(timedelta(milliseconds=found) - exact) <= timedelta(microseconds=500)


# -- the body of a request

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=4))
def test_a_body_says_what_it_was_given(body: dict[str, object]) -> None:
    assert msgspec.json.decode(encode(body)) == body


@given(st.integers(10**20, 10**60))
def test_integers_of_any_length_keep_every_digit(number: int) -> None:
    assert encode({"n": number}) == b'{"n":%d}' % number
    assert encode({"n": -number}) == b'{"n":-%d}' % number


@pytest.mark.parametrize("value", [object(), {"deep": [object()]}, "\ud800", {1.5j}, lambda: None])
def test_what_json_has_no_word_for_cannot_be_sent(value: object) -> None:
    with pytest.raises(UnsendableError, match="cannot be written as JSON"):
        encode({"x": value})


def test_a_body_has_at_most_twenty_megabytes() -> None:
    frame = len(encode({"x": ""}))
    assert len(encode({"x": "a" * (20_000_000 - frame)})) == MAX_BODY == 20_000_000
    with pytest.raises(UnsendableError, match="20,000,001 bytes"):
        encode({"x": "a" * (20_000_001 - frame)})


# -- the beginning of an answer


def test_an_empty_answer_is_called_that() -> None:
    assert head(b"") == head(b" \t\r\n") == "(an empty body)"
    assert head(b" " * 5000) == "(a body that begins with blanks)"


@given(st.binary(max_size=3000))
def test_the_head_of_an_answer_is_one_short_line(body: bytes) -> None:
    text = head(body)
    assert len(text) <= MAX_HEAD + 2
    assert len(text.splitlines()) <= 1
