"""The token: its sources, its renewal, and that it appears nowhere else."""

import asyncio
import base64
import html
import json
import shlex
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.adapters.credentials.secret import MIN_MASKED_CHARACTERS, Secret
from batchrun.adapters.credentials.sources import TokenCommand, TokenFile, TokenSource
from batchrun.adapters.credentials.token import Token, load_token
from batchrun.dialects.v1 import V1
from batchrun.errors import InputError

SECRET = "pat_s3cr3t"
TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40).filter(
    lambda token: token[0] not in "\"'"  # quotes are refused, because they come from a mistake in a shell or .env file
)


def file_of(folder: Path, content: str | bytes) -> Path:
    path = folder / "token"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def renewed(token: Token, times: int = 1) -> list[bool]:
    """The results of `times` concurrent requests for a new token."""

    async def main() -> list[bool]:
        used = token.secret
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(token.renew(used)) for _ in range(times)]
        return [task.result() for task in tasks]

    return asyncio.run(main())


@given(TOKENS)
def test_a_token_of_the_environment(token: str) -> None:
    assert load_token(None, None, token, V1()).secret.is_same(token)
    assert load_token(None, None, f"  {token}\n", V1()).secret.is_same(token)


@pytest.mark.parametrize(
    "content", [SECRET, f"{SECRET}\n", f"{SECRET}\r\nanother line", f"\ufeff{SECRET}\n", f"  {SECRET}  \nx"]
)
def test_a_token_is_the_first_line_of_its_file_or_of_what_its_command_prints(tmp_path: Path, content: str) -> None:
    path = file_of(tmp_path, content)
    assert load_token(path, None, None, V1()).secret.is_same(SECRET)
    assert load_token(None, shlex.join(["cat", str(path)]), None, V1()).secret.is_same(SECRET)


def test_an_explicit_source_comes_before_the_environment(tmp_path: Path) -> None:
    assert load_token(file_of(tmp_path, SECRET), None, "other", V1()).secret.is_same(SECRET)
    assert load_token(None, f"echo {SECRET}", "other", V1()).secret.is_same(SECRET)


@pytest.mark.parametrize("environment", [None, "", "  \n"])
def test_without_a_token_it_says_where_one_may_come_from(environment: str | None) -> None:
    with pytest.raises(InputError) as caught:
        load_token(None, None, environment, V1())
    for way in ("COZE_API_TOKEN", "--token-file", "--token-command", "--simulate"):
        assert way in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"  \nsecond", b"\xff\xfe\x00", f"{SECRET} {SECRET}", "tökén", f"{SECRET}\x07"]
)
def test_a_source_without_a_token_is_refused_and_never_quoted(tmp_path: Path, content: str | bytes) -> None:
    path = file_of(tmp_path, content)
    with pytest.raises(InputError, match="--token-file") as caught:
        load_token(path, None, None, V1())
    assert SECRET not in str(caught.value)
    with pytest.raises(InputError, match="--token-command cat: ") as caught:
        load_token(None, shlex.join(["cat", str(path)]), None, V1())
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("token", [f"Bearer {SECRET}", f"{SECRET}\n{SECRET}", "tökén"])
def test_an_environment_without_a_token_is_refused_and_never_quoted(token: str) -> None:
    with pytest.raises(InputError, match="COZE_API_TOKEN") as caught:
        load_token(None, None, token, V1())
    assert SECRET not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent: cannot be read: No such file"):
        load_token(tmp_path / "absent", None, SECRET, V1())
    with pytest.raises(InputError, match="cannot be read"):
        load_token(tmp_path, None, None, V1())


# -- commands


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("no-such-program-anywhere", "--token-command no-such-program-anywhere: cannot be run: No such file"),
        ("/", "cannot be run: Permission denied"),
        ("false", "--token-command false: ended with exit code 1"),
        ("sh -c 'echo pat_s3cr3t; exit 3'", "--token-command sh: ended with exit code 3"),
        ("sh -c 'kill -9 $$'", "was killed by a signal"),
        ("true", "it printed no token"),
        ("pat_abcdefghijklmnopqrstuvwxyz", "put it into a file"),
    ],
)
def test_a_command_that_gives_no_token_is_a_plain_mistake(command: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        load_token(None, command, SECRET, V1())
    assert told in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "pat_abc" not in str(caught.value)


def test_a_command_is_split_as_a_shell_does_and_no_shell_runs_it() -> None:
    assert TokenCommand("echo 'a'\"b\"\\c$HOME;x|y").read() == "abc$HOME;x|y"


def test_the_standard_input_of_a_command_is_empty_and_its_standard_error_is_ours(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert TokenCommand("sh -c 'echo please wait >&2; printf token-; wc -c | tr -d \" \"'").read() == "token-0"
    assert capfd.readouterr().err == "please wait\n"


# -- renewal


def test_a_token_of_the_environment_cannot_be_renewed() -> None:
    token = load_token(None, None, SECRET, V1())
    assert renewed(token) == [False]
    assert "COZE_API_TOKEN" in token.trouble


def test_a_file_is_read_again_when_its_token_is_refused(tmp_path: Path) -> None:
    path = file_of(tmp_path, "old")
    token = load_token(path, None, None, V1())
    path.write_text("new")
    assert renewed(token) == [True]
    assert token.secret.is_same("new")
    assert renewed(token) == [False]
    assert "still gives the token that was refused" in token.trouble


class Counting:
    """A source that counts how often it is asked."""

    def __init__(self, *tokens: str | None) -> None:
        self._tokens = iter(tokens)
        self.asked = 0

    def __str__(self) -> str:
        return "--token-command it"

    def read(self) -> str:
        self.asked += 1
        token = next(self._tokens, None)
        if token is None:
            raise InputError("--token-command it: ended with exit code 1")
        return token


@pytest.mark.parametrize("answer", ["new", "old", None])
def test_five_hundred_refusals_at_once_renew_the_token_once(answer: str | None) -> None:
    source = Counting(answer)
    token = Token("old", source)
    used = token.secret
    assert renewed(token, 500) == [answer == "new"] * 500
    assert source.asked == 1
    assert asyncio.run(token.renew(used)) == (answer == "new"), "who is told later finds it done"
    assert source.asked == 1
    assert bool(token.trouble) == (answer != "new")


def test_each_token_that_is_refused_is_renewed_once() -> None:
    source = Counting("second", "third")
    token = Token("first", source)
    first = token.secret

    async def main() -> None:
        for _ in range(2):
            used = token.secret
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(token.renew(used)) for _ in range(9)]
            assert all(task.result() for task in tasks)
        assert await token.renew(first), "a straggler takes what there is now"

    asyncio.run(main())
    assert source.asked == 2
    assert token.secret.is_same("third")


def test_a_slow_source_blocks_no_other_request(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    token = Token("old", TokenCommand(f"sh -c 'until test -e {go_on}; do sleep 0.02; done; echo new'"))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(token.renew(token.secret))
            for _ in range(10):
                await asyncio.sleep(0)
            assert not renewing.done()
            go_on.touch()
        assert renewing.result()

    asyncio.run(main())


@pytest.mark.parametrize("content", ["", "two words", None])
def test_a_file_without_a_token_keeps_the_old_token(tmp_path: Path, content: str | None) -> None:
    path = file_of(tmp_path, "old")
    token = load_token(path, None, None, V1())
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    assert renewed(token) == [False]
    assert token.secret.is_same("old")
    assert str(path) in token.trouble


# -- secrecy


@pytest.mark.parametrize("source", [None, TokenFile(Path("/somewhere/token")), TokenCommand("pass show coze")])
def test_a_token_does_not_show_itself(source: TokenSource | None) -> None:
    token = Token(SECRET, source)
    for thing in (token, token.secret, [token], vars(token), source):
        assert SECRET not in f"{thing!r} {thing!s} {thing}"


LONG = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=MIN_MASKED_CHARACTERS, max_size=40)


@given(LONG, st.binary(max_size=20), st.booleans())
def test_a_token_that_a_service_repeats_is_masked_however_it_spells_it(
    token: str, around: bytes, refusal: bool
) -> None:
    secret = Secret(token)
    spellings = {
        token, quote(token, safe=""), token.replace("/", "\\/"), json.dumps(token)[1:-1],
        "".join(letter if letter.isalnum() else f"\\u{ord(letter):04X}" for letter in token),
    }  # fmt: skip
    spellings |= {json.dumps(spelling)[1:-1] for spelling in spellings}  # JSON within JSON
    for spelling in spellings:
        said = secret.masked(around + b"Bearer " + spelling.encode() + around, refusal=refusal)
        assert said == around + b"Bearer ***" + around or b"***" in said
        assert spelling.encode() not in said or spelling.encode() in around


@given(LONG, st.binary(max_size=60))
def test_whatever_does_not_hold_the_token_is_left_as_it_is(token: str, text: bytes) -> None:
    if token.encode() not in text and b"\\" not in text and b"%" not in text:
        assert Secret(token).masked(text, refusal=True) == text


@given(LONG, st.binary(max_size=20), st.binary(max_size=20))
def test_it_is_masked_within_what_a_service_has_encoded(token: str, before: bytes, after: bytes) -> None:
    secret, raw = Secret(token), token.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        encoded = encode(before + raw + after)
        said = secret.masked(encoded, refusal=False)
        assert b"***" in said
        assert len(encoded) - len(said) >= len(raw) * 4 // 3 - 6, "but for the characters that others share"
    for text in (raw.hex(), raw.hex().upper(), html.escape(token), html.escape(json.dumps(token))):
        assert b"***" in secret.masked(b"<p>" + text.encode(), refusal=False)
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        assert secret.masked(f"<p>{token}</p>".encode(encoding), refusal=False).count(b"***") == 1


def test_a_token_is_masked_when_it_has_been_replaced_as_well() -> None:
    token = Token("the first token", Counting("the second token", "the third token"))
    for _ in range(2):
        assert renewed(token) == [True]
    said = b"the first token, the second token, the third token"
    assert token.secret.masked(said, refusal=False) == b"***, ***, ***"


def test_a_token_that_is_a_word_is_masked_in_refusals_only() -> None:
    secret = Secret("test")
    assert secret.masked(b"Bearer test failed a test", refusal=True) == b"Bearer *** failed a test"
    assert secret.masked(b"Bearer test failed a test", refusal=False) == b"Bearer test failed a test"
    other = Secret("test", lambda token: {"X-Key": f"key={token}"})
    assert other.masked(b"key=test failed, Bearer test", refusal=True) == b"key=*** failed, Bearer test"
