"""Tokens as people use them: where they come from, how they are renewed, and that they are nowhere to be found."""

import os
import shlex
import time
from pathlib import Path

import pytest

from tests.support.broken_product import fail_with_the_request
from tests.support.command import SECRET, batchrun, environment, installed_started, rows_file, status
from tests.support.stub_server import ReceivedRequest, StubResponse, stub_server

OLD, NEW = "tok/old+" + "0ld" * 4, "tok/new+" + "n3w" * 4
FAST = ("--poll-initial", "0.2", "--poll-max", "0.2", "--rps", "200")


def service(request: ReceivedRequest, valid: str) -> StubResponse:
    """The documented API in three lines; it repeats the token that it refuses, and any that it sees in an output."""
    token = request.headers["authorization"].removeprefix("Bearer ")
    if token != valid:
        error = (
            f'{{"error": {{"code": "UNAUTHORIZED", "message": "no such token: {token.replace("/", chr(92) + "/")}"}}}}'
        )
        return StubResponse(401, error.encode())
    if request.method == "POST":
        return StubResponse(200, b'{"run_id": "%d", "status": "pending"}' % time.monotonic_ns())
    return StubResponse(
        200, f'{{"status": "completed", "outputs": {{"you": "{request.headers["authorization"]}"}}}}'.encode()
    )


def found(secret: str, folder: Path) -> list[str]:
    """Where the token is to be found in a folder, however it is spelled."""
    spelled = {secret.encode(), secret.replace("/", "\\/").encode(), secret.replace("/", "%2F").encode()}
    return [
        str(path) for path in folder.rglob("*") if path.is_file() and any(one in path.read_bytes() for one in spelled)
    ]


def test_a_command_gives_the_token_and_a_new_one_in_mid_run_and_it_is_nowhere_to_be_found(tmp_path: Path) -> None:
    rows_file(tmp_path, 12)
    (tmp_path / "bin").mkdir()
    give, calls = tmp_path / "bin" / "give", tmp_path / "bin" / "calls"
    give.write_text(f'#!/bin/sh\necho asked >&2\necho x >> {calls}\nif test -e "$1/renewed"; then cat "$1/new"; '
                    f'else cat "$1/old"; touch "$1/renewed"; fi\n')  # fmt: skip
    give.chmod(0o755)
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "old").write_text(f"{OLD}\nnot the token\n")
    (kept / "new").write_text(f"{NEW}\n")
    command = shlex.join([str(give), str(kept)])
    valid = [OLD]

    def answer(request: ReceivedRequest) -> StubResponse:
        if request.method == "GET":
            valid[0] = NEW  # from the first poll on
        return service(request, valid[0])

    with stub_server(answer) as server:
        done = batchrun(
            "run", "rows.csv", "--workflow-id", "w", "--base-url", server.url, "--token-command", command, *FAST,
            "-o", "job", "-v", cwd=tmp_path, env=environment(COZE_API_TOKEN="another-token"),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert calls.read_text().count("x") == 2, "once at the start, once for all that were refused"
    assert "asked" in done.stderr, "its standard error is ours"
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {OLD}", f"Bearer {NEW}"}
    assert "token-command" in (tmp_path / "job" / "job.toml").read_text()
    for secret in (OLD, NEW):
        assert secret not in done.stdout + done.stderr
        assert found(secret, tmp_path / "job") == []
    again = batchrun("resume", "job", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


def test_a_refusal_that_repeats_the_token_shows_it_nowhere_and_says_why_there_is_no_other(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    (tmp_path / "token").write_text(OLD)
    sources = {
        ("--token-file", "token"): "--token-file token still gives the token that was refused",
        ("--token-command", "cat token"): "--token-command cat still gives the token that was refused",
        (): "it is the one in the variable COZE_API_TOKEN",
    }
    with stub_server(lambda request: service(request, "none")) as server:
        for number, (source, reason) in enumerate(sources.items()):
            where = ("--base-url", server.url, *source, "-o", f"job{number}")
            done = batchrun(
                "run", "rows.csv", "--workflow-id", "w", *where, "-vv", "--json", cwd=tmp_path,
                env=environment(COZE_API_TOKEN=OLD),
            )  # fmt: skip
            assert done.returncode == 4, done.stderr
            assert "Stopped: the service refused the token: HTTP 401 UNAUTHORIZED: no such token: *** (" in done.stderr
            assert reason in done.stderr
            assert OLD not in done.stdout + done.stderr
            assert found(OLD, tmp_path / f"job{number}") == []
            assert status(tmp_path / f"job{number}")["queued"] == 3


def test_a_command_that_fails_in_mid_run_stops_the_job_with_the_reason(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    command = f"sh -c 'test -e {tmp_path}/used && exit 7; touch {tmp_path}/used; echo {OLD}'"
    with stub_server(lambda request: service(request, "none")) as server:
        done = batchrun(
            "run", "rows.csv", "--workflow-id", "w", "--base-url", server.url, "--token-command", command, cwd=tmp_path
        )
    assert done.returncode == 4
    assert "(--token-command sh: ended with exit code 7" in done.stderr
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (("--token-command", "false"), "--token-command false: ended with exit code 1"),
        (("--token-command", "true"), "--token-command true: it printed no token"),
        (("--token-command", "no-such-program"), "--token-command no-such-program: cannot be run"),
        (("--token-command", "echo 'x"), "--token-command: has a quote that is not closed"),
        (("--token-command", "echo x", "--token-file", "rows.csv"), "--token-file and --token-command both give"),
    ],
)
def test_a_source_that_gives_no_token_is_a_mistake_before_anything_is_sent(
    tmp_path: Path, source: tuple[str, ...], told: str
) -> None:
    rows_file(tmp_path, 1)
    done = batchrun("run", "rows.csv", "--workflow-id", "w", *source, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_a_bug_whose_message_holds_the_token_shows_it_nowhere(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    with stub_server(lambda request: service(request, OLD)) as server:
        for number, progress in enumerate(("log", "json")):
            done = batchrun(
                "run", "rows.csv", "--workflow-id", "w", "--base-url", server.url, "-o", f"job{number}", "-vv",
                "--progress", progress, "--log-file", "log", cwd=tmp_path, env=environment(COZE_API_TOKEN=OLD),
                before=fail_with_the_request,
            )  # fmt: skip
            assert done.returncode == 1
            assert "Traceback" in done.stderr
            assert "Authorization: Bearer ***" in done.stderr
            assert OLD not in done.stdout + done.stderr
    assert found(OLD, tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks into /proc")
def test_the_token_is_in_no_argument_list(tmp_path: Path) -> None:
    rows_file(tmp_path, 50)
    (tmp_path / "token").write_text(OLD)

    def slowly(request: ReceivedRequest) -> StubResponse:
        time.sleep(0.05)  # noqa: TID251 - so that there is time to look
        return service(request, OLD)

    with (
        stub_server(slowly) as server,
        installed_started(
            "run", "rows.csv", "--workflow-id", "w", "--base-url", server.url, "--token-command", "cat token",
            "-o", "job", cwd=tmp_path,
        ) as process,
    ):  # fmt: skip
        while not server.requests and process.poll() is None:
            time.sleep(0.02)  # noqa: TID251 - another process's time is real
        arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
        assert not [line for line in arguments if OLD.encode() in line or SECRET.encode() in line]
        assert server.requests


def test_a_token_is_not_sent_over_http_to_another_machine(tmp_path: Path) -> None:
    rows_file(tmp_path, 1)
    where = ("--base-url", "http://service.invalid")
    for arguments in (("run", "rows.csv", "--workflow-id", "w"), ("check", "rows.csv", "--workflow-id", "w"),
                      ("history", "r")):  # fmt: skip
        done = batchrun(*arguments, *where, cwd=tmp_path)
        assert done.returncode == 2
        assert "--base-url http://service.invalid: over http anybody on the way could read the token" in done.stderr
        assert "--allow-insecure" in done.stderr
    done = batchrun("history", "r", *where, "--allow-insecure", cwd=tmp_path)
    assert done.returncode == 75, "it was tried"


def test_expiring_tokens_can_be_rehearsed(tmp_path: Path) -> None:
    rows_file(tmp_path, 8)
    turns = f"echo x >> {tmp_path}/turns; echo token-$(wc -l < {tmp_path}/turns | tr -d ' ')"
    sim = ("--sim", "tokens=token-1,token-2,token-3", "--sim", "token_requests=7", "--sim", "duration=0.1")
    rehearsal = ("run", "rows.csv", "--workflow-id", "echo", "--simulate", *sim, *FAST)
    done = batchrun(*rehearsal, "--token-command", f"sh -c {shlex.quote(turns)}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "turns").read_text().count("x") == 3
    done = batchrun(*rehearsal, "-o", "unrenewed", cwd=tmp_path)
    assert done.returncode == 4
    assert "the service refused the token: HTTP 401" in done.stderr
