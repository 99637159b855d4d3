"""Where the token comes from, and that it goes nowhere else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.adapters.tokens import Token, load_token
from batchrun.errors import InputError

SECRET = "pat_s3cr3t"
TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40).filter(
    lambda token: token[0] not in "\"'"  # which is what a mistake in a shell or an .env file leaves
)


def file_of(folder: Path, content: str | bytes) -> Path:
    path = folder / "token"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@given(TOKENS)
def test_a_token_of_the_environment(token: str) -> None:
    assert load_token(None, token).header() == f"Bearer {token}"
    assert load_token(None, f"  {token}\n").header() == f"Bearer {token}"


@pytest.mark.parametrize(
    "content", [SECRET, f"{SECRET}\n", f"{SECRET}\r\nanother line", f"\ufeff{SECRET}\n", f"  {SECRET}  \nx"]
)
def test_a_token_is_the_first_line_of_its_file(tmp_path: Path, content: str) -> None:
    assert load_token(file_of(tmp_path, content), None).header() == f"Bearer {SECRET}"


def test_the_file_comes_before_the_environment(tmp_path: Path) -> None:
    assert load_token(file_of(tmp_path, SECRET), "other").header() == f"Bearer {SECRET}"


@pytest.mark.parametrize("environment", [None, "", "  \n"])
def test_without_a_token_it_says_where_one_may_come_from(environment: str | None) -> None:
    with pytest.raises(InputError) as caught:
        load_token(None, environment)
    for way in ("COZE_API_TOKEN", "--token-file", "--simulate"):
        assert way in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"  \nsecond", b"\xff\xfe\x00", f"{SECRET} {SECRET}", "tökén", f"{SECRET}\x07"]
)
def test_a_file_without_a_token_is_refused_and_never_quoted(tmp_path: Path, content: str | bytes) -> None:
    with pytest.raises(InputError, match="--token-file") as caught:
        load_token(file_of(tmp_path, content), None)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("token", [f"Bearer {SECRET}", f"{SECRET}\n{SECRET}", "tökén"])
def test_an_environment_without_a_token_is_refused_and_never_quoted(token: str) -> None:
    with pytest.raises(InputError, match="COZE_API_TOKEN") as caught:
        load_token(None, token)
    assert SECRET not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent: cannot be read: No such file"):
        load_token(tmp_path / "absent", SECRET)
    with pytest.raises(InputError, match="cannot be read"):
        load_token(tmp_path, None)


# -- renewal


def test_a_token_of_the_environment_cannot_be_renewed() -> None:
    token = load_token(None, SECRET)
    assert not token.renew(token.header())


def test_a_file_is_read_again_when_its_token_is_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path, "old")
    token = load_token(path, None)
    used = token.header()
    assert not token.renew(used)
    path.write_text("new")
    assert token.renew(used)
    assert token.header() == "Bearer new"


def test_of_many_who_were_refused_alike_the_first_renews_for_all(tmp_path: Path) -> None:
    path = file_of(tmp_path, "old")
    token = load_token(path, None)
    used = token.header()
    path.write_text("new")
    assert token.renew(used)
    path.unlink()
    assert token.renew(used)
    assert not token.renew(token.header())


@pytest.mark.parametrize("content", ["", "two words", None])
def test_a_file_that_holds_no_token_any_more_leaves_the_old_one(tmp_path: Path, content: str | None) -> None:
    path = file_of(tmp_path, "old")
    token = load_token(path, None)
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    assert not token.renew(token.header())
    assert token.header() == "Bearer old"


# -- secrecy


@pytest.mark.parametrize("path", [None, Path("/somewhere/token")])
def test_a_token_does_not_show_itself(path: Path | None) -> None:
    token = Token(SECRET, path)
    for text in (repr(token), str(token), f"{token}", f"{token!r}", repr([token])):
        assert SECRET not in text
