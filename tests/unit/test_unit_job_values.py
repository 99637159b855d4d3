"""The values of options: durations, limits, addresses, delimiters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.errors import InputError
from batchrun.job import build_job
from batchrun.options.types import parse_duration
from tests.unit.built_jobs import job, mistakes

# -- durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1d", 86400),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("1h 30m 5s", 5405),
        (" 15m ", 900),
        (7, 7),
        (2.5, 2.5),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert job(max_runtime=text).max_runtime == seconds


@pytest.mark.parametrize("text", ["", " ", "soon", "-5s", "5x", "1h30", "30 5s", "m", "1e3", "1,5h", "s5", "5 s s"])
def test_invalid_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected seconds, or a duration such as 90s, 10m or 2h"):
        parse_duration(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_durations_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize(
    "name", ["poll_initial", "poll_max", "run_timeout", "request_timeout", "drain_timeout", "max_outage"]
)
def test_every_duration_takes_units(name: str) -> None:
    assert getattr(job(**{"poll_max": "1h", name: "2s"}), name) == 2


# -- max_failures


@pytest.mark.parametrize(
    ("given_", "allowed"),
    [(None, (None, None)), (100, (100, None)), ("100", (100, None)), ("5%", (None, 5.0)), ("0.5%", (None, 0.5))],
)
def test_failures_allowed_are_a_count_or_a_share(given_: object, allowed: tuple[int | None, float | None]) -> None:
    assert job(max_failures=given_).failures_allowed == allowed


@pytest.mark.parametrize("text", ["-1", "five", "5 %", "%", "1.5", "", "5%%", "1e2", -3])
def test_invalid_max_failures_are_refused(text: object) -> None:
    (line,) = mistakes(max_failures=text)
    assert line.startswith("--max-failures: expected a count such as 100, or a share such as 5%")


def test_a_share_of_failures_is_at_most_100_percent() -> None:
    assert mistakes(max_failures="200%") == ["--max-failures: a share cannot be more than 100% (got '200%')"]


# -- addresses


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://api.coze.cn", "https://api.coze.cn"),
        ("https://api.coze.cn/", "https://api.coze.cn"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://gateway.example/coze/", "https://gateway.example/coze"),
    ],
)
def test_base_urls(text: str, kept: str) -> None:
    assert job(base_url=text).base_url == kept


@pytest.mark.parametrize(
    "text",
    [
        "api.coze.cn", "ftp://x", "https://", "https:///v1", "https://user:secret@x", "https://x?a=1", "https://x#a",
        "https://x/a b", "https://x /", "https://x/v1?a", "", "http:/x", "//x",
    ],
)  # fmt: skip
def test_invalid_base_urls_are_refused(text: str) -> None:
    (line,) = mistakes(base_url=text)
    assert line.startswith("--base-url: expected an address such as https://api.coze.cn")


# -- text inputs


@pytest.mark.parametrize(("text", "kept"), [(";", ";"), ("\t", "\t"), ("\\t", "\t"), ("tab", "\t"), ("|", "|")])
def test_delimiters(text: str, kept: str) -> None:
    assert job(delimiter=text).delimiter == kept


@pytest.mark.parametrize("text", ["", ";;", '"', "\n", "\r"])
def test_invalid_delimiters_are_refused(text: str) -> None:
    (line,) = mistakes(delimiter=text)
    assert line.startswith("--delimiter: expected one character")


# -- callbacks


JOB = {"input": "rows.csv", "workflow_id": "w"}


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("localhost:65535", ("localhost", 65535)),
        ("[::1]:8080", ("::1", 8080)),
        ("[fe80::1%eth0]:1", ("fe80::1%eth0", 1)),
    ],
)
def test_listen_addresses(listen: str, address: tuple[str, int]) -> None:
    job = build_job(JOB | {"callback_url": "https://x.example:8443/a/b/", "callback_listen": listen})
    assert job.callback_address == address
    assert job.callback_url == "https://x.example:8443/a/b"


@pytest.mark.parametrize(
    "listen",
    ["127.0.0.1", ":8080", "x:", "x:0", "x:65536", "x:-1", "::1:80", "[::1]", "http://x:80", "x:8o", "x y:1", ""],
)
def test_invalid_listen_addresses_are_refused(listen: str) -> None:
    with pytest.raises(InputError, match="--callback-listen: expected"):
        build_job(JOB | {"callback_url": "https://x", "callback_listen": listen})


@pytest.mark.parametrize(
    "url", ["x.example", "ftp://x", "https://", "https://x?a=1", "https://x/#f", "https://u:p@x", ""]
)
def test_invalid_callback_urls_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="--callback-url: expected an address") as caught:
        build_job(JOB | {"callback_url": url, "callback_listen": "x:1"})
    assert "u:p" not in str(caught.value)


def test_callback_url_and_callback_listen_need_each_other() -> None:
    with pytest.raises(InputError, match="--callback-url needs --callback-listen"):
        build_job(JOB | {"callback_url": "https://x"})
    with pytest.raises(InputError, match="--callback-listen needs --callback-url"):
        build_job(JOB | {"callback_listen": "x:1"})
    assert build_job(JOB).callback_address is None


def test_callbacks_are_not_pinned() -> None:
    with_callbacks = build_job(JOB | {"callback_url": "https://x", "callback_listen": "x:1"})
    assert with_callbacks.pinned() == build_job(JOB).pinned()
