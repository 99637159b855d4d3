"""The user info of addresses is cut from every text."""

import pytest

from batchrun.domain.user_info import without_secrets, without_user_info


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


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://host/v1?token=hush&x=1", "https://host/v1?…"),
        ("https://host/#hush\nhush", "https://host/#…"),
        ("https://me:hush@host/v1", "https://…@host/v1"),
        ("me:hush@host", "…@host"),
        ("//me:hu/sh@host?hush", "//…@host?…"),
        ("htps:/host", "htps:/host"),
    ],
)
def test_of_a_wrong_address_no_secret_is_shown(address: str, shown: str) -> None:
    assert without_secrets(address) == shown
