"""The user info of addresses is cut from every text."""

import pytest

from batchrun.domain.user_info import without_user_info


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("403, url='http://alice:s3cretpw@127.0.0.1:8922'", "403, url='http://…@127.0.0.1:8922'"),
        ("https://al@ice:pw@h/x and ftp://b@i", "https://…@h/x and ftp://…@i"),
        (r'{"url":"https:\/\/alice:pw@host\/x"}', r'{"url":"https:\/\/…@host\/x"}'),
        ("?next=https%3A%2F%2Falice:pw@host", "?next=https%3A%2F%2F…@host"),
        ("//token@host", "//…@host"),
        ("https://host/a@b?c@d#e@f", "https://host/a@b?c@d#e@f"),
        ("mail me@example.com", "mail me@example.com"),
        ("see https://host and me@example.com", "see https://host and me@example.com"),
    ],
)
def test_no_more_than_the_user_info_is_cut(text: str, shown: str) -> None:
    assert without_user_info(text) == shown
