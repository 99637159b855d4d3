"""`--oauth-config`: the tokens of a service app, through the whole command."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import command
from tests.support.app_service import TOKEN_PATH, CozeService, bearer, claims, reply
from tests.support.oauth_config import KEY, write_config
from tests.support.stub_server import ReceivedRequest, StubResponse, StubServer, stub_server

FAST = ("--poll-initial", "0.1", "--poll-max", "0.1")


def batchrun(*arguments: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """The command, without a token in its environment."""
    env = command.environment(BATCHRUN_API="auto", COZE_API_TOKEN="")
    return command.batchrun(*arguments, cwd=cwd, env=env)


def run(folder: Path, server: StubServer, *options: object, rows: int = 4) -> "subprocess.CompletedProcess[str]":
    """Run a job with the app of this service; `-vv` would show a secret that is logged."""
    write_config(folder, server.url)
    words = ("run", command.rows_file(folder, rows), "--workflow-id", "w", "--base-url", server.url, "-o", "job", "-vv")
    return batchrun(*words, "--oauth-config", "coze_oauth_config.json", *FAST, *options, cwd=folder)


def assert_secret(service: CozeService, folder: Path, done: "subprocess.CompletedProcess[str]") -> None:
    """No token, no signed request and no line of the key is in the output of the command or in the run directory."""
    secrets = [*service.issued, *service.signed, *KEY.splitlines()[1:-1]]
    said = (done.stdout + done.stderr).encode()
    written = [path.read_bytes() for path in (folder / "job").rglob("*") if path.is_file()]
    assert not [secret for secret in secrets for text in (said, *written) if secret.encode() in text]


def test_a_job_with_the_tokens_of_an_app(tmp_path: Path) -> None:
    service = CozeService()
    with stub_server(service) as server:
        done = run(tmp_path, server)
        assert done.returncode == 0, done.stderr
        first = server.requests[0]
        assert len(service.issued) == 1, "one token for all requests"
        again = batchrun("resume", "job", cwd=tmp_path)
        assert again.returncode == 0, again.stderr
    assert "[cozepy]" not in done.stderr
    assert first.path == TOKEN_PATH
    asked = json.loads(first.body)
    assert asked["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    header, payload = claims(service.signed[0])
    assert (header["alg"], header["kid"]) == ("RS256", "kid-1")
    assert (payload["iss"], payload["aud"]) == ("1106", server.url.removeprefix("http://"))
    assert 'oauth-config = "' in (tmp_path / "job" / "job.toml").read_text()
    assert_secret(service, tmp_path, done)


def test_a_token_is_renewed_before_it_expires(tmp_path: Path) -> None:
    service = CozeService()
    service.lifetime = 2  # of one second nothing may be left when the answer is read, as it ends with a whole second
    with stub_server(service) as server:
        done = run(tmp_path, server, "--rps", "4", rows=12)
    assert done.returncode == 0, done.stderr
    assert len(service.issued) > 1
    assert service.refused == 0, "the service has not refused any"
    assert {bearer(request) for request in server.requests if request.path != TOKEN_PATH} <= set(service.issued)
    assert_secret(service, tmp_path, done)


@pytest.mark.parametrize(
    ("api", "refusal"),
    [
        ("auto", reply({}, 401)),
        ("open", reply({"code": 4100, "msg": "authentication is invalid"})),
        ("studio", reply({"code": 700012006, "msg": "authentication failed"})),
    ],
)
def test_a_refused_token_is_renewed_once_and_the_request_is_sent_again(
    tmp_path: Path, api: str, refusal: StubResponse
) -> None:
    service = CozeService()
    service.refusal = refusal
    service.is_valid = lambda _, token: len(service.runs) < 2 or token != service.issued[0]
    with stub_server(service) as server:
        done = run(tmp_path, server, "--api", api, "--rps", "500", rows=40)
    assert done.returncode == 0, done.stderr
    assert len(service.issued) == 2
    assert service.refused > 0
    assert len(service.runs) == 40, "no row was submitted twice"
    assert_secret(service, tmp_path, done)


def test_an_app_that_is_refused_stops_the_job_and_nothing_else_is_sent(tmp_path: Path) -> None:
    service = CozeService()
    refusals = {
        "invalid client": reply({"error_code": "invalid_client", "error_message": "invalid client"}, 400),
        "invalid_client": reply({"error_code": "invalid_client", "error_message": ""}, 400),
        "access_denied": reply({"error_code": "access_denied"}, 403),
        "no such key": reply({"code": 4100, "msg": "no such key"}),
    }
    with stub_server(service) as server:
        for number, (text, refusal) in enumerate(refusals.items()):
            service.issue = lambda _, refusal=refusal: refusal  # type: ignore[misc]
            done = run(tmp_path, server, "--api", ("v1", "auto")[number % 2], "--fresh")
            assert done.returncode == 4, done.stderr
            reason = f"Stopped: --oauth-config coze_oauth_config.json: {server.url} refused to issue a token: "
            assert reason in done.stderr
            assert text in done.stderr
            assert "[cozepy]" not in done.stderr
            assert command.status(tmp_path / "job")["queued"] == 4
        done = batchrun("history", "7", "--workflow-id", "w", "--base-url", server.url, "--oauth-config",
                        "coze_oauth_config.json", cwd=tmp_path)  # fmt: skip
        assert (done.returncode, "refused to issue a token" in done.stderr) == (4, True), done.stderr
    assert {request.path for request in server.requests} == {TOKEN_PATH}


def test_a_refusal_that_repeats_what_was_signed_shows_it_nowhere(tmp_path: Path) -> None:
    service = CozeService()
    service.issue = lambda _: reply({"error_code": "x", "error_message": f"bad assertion {service.signed[-1]}"}, 400)
    with stub_server(service) as server:
        done = run(tmp_path, server)
    assert "bad assertion ***" in done.stderr
    assert_secret(service, tmp_path, done)


def test_an_app_that_is_refused_in_mid_run_stops_the_job_with_the_reason(tmp_path: Path) -> None:
    service = CozeService()
    service.issue = lambda number: None if number == 1 else reply({"error_code": "x", "error_message": "app removed"})
    service.is_valid = lambda _, token: len(service.runs) < 2 and token in service.issued
    with stub_server(service) as server:
        done = run(tmp_path, server)
    assert done.returncode == 4, done.stderr
    assert "refused to issue a token: " in done.stderr
    assert "app removed" in done.stderr
    assert_secret(service, tmp_path, done)


UNAVAILABLE = [
    StubResponse(502, b"<html>bad gateway</html>"),
    reply({"code": 4013, "msg": "slow down"}),
    reply({"message": "temporarily out of order"}, 503),
    reply([], 200),
    StubResponse(200, b""),
]


@pytest.mark.parametrize(("at", "answer"), [*((1, answer) for answer in UNAVAILABLE), (2, UNAVAILABLE[0])])
def test_an_outage_of_who_issues_tokens_is_waited_out(tmp_path: Path, answer: StubResponse, at: int) -> None:
    service = CozeService()
    service.issue = lambda number: answer if number == at else None
    service.is_valid = lambda _, token: at == 1 or len(service.runs) < 2 or token != service.issued[0]
    with stub_server(service) as server:
        done = run(tmp_path, server, "--rps", "200")
    assert done.returncode == 0, done.stderr
    assert len(service.runs) == 4, "no row was submitted twice"
    assert_secret(service, tmp_path, done)


def test_an_outage_that_goes_on_ends_like_any_other(tmp_path: Path) -> None:
    service = CozeService()
    with stub_server(service) as server:
        pass  # nobody listens there any more
    for api in ("auto", "v1"):
        done = run(tmp_path, server, "--api", api, "--max-outage", "1s")
        assert done.returncode == 75, done.stderr
        assert f"no token from {server.url}: " in done.stderr
        assert "Traceback" not in done.stderr
        assert command.status(tmp_path / "job")["queued"] == 4


def test_history_and_check(tmp_path: Path) -> None:
    service = CozeService()
    with stub_server(service) as server:
        config = write_config(tmp_path, server.url)
        options = ("--workflow-id", "w", "--base-url", server.url, "--oauth-config", config)
        done = batchrun("check", command.rows_file(tmp_path, 2), *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert [request.method for request in server.requests if request.path != TOKEN_PATH] == ["GET"]
        service.runs["7"] = {}
        done = batchrun("history", "7", *options, "--api", "open", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Success" in done.stdout


def test_a_mistake_in_the_config_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:9", client_type="pkce")
    rows = command.rows_file(tmp_path, 1)
    before = sorted(path.name for path in tmp_path.iterdir())
    job = (rows, "--workflow-id", "w", "--base-url", "http://127.0.0.1:9", "--oauth-config", config)
    for words in (("run", *job), ("check", *job), ("history", "7", *job[3:])):
        done = batchrun(*words, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        lines = [line for line in done.stderr.splitlines() if "--oauth-config" in line]
        assert len(lines) == 1, done.stderr
        assert "its client_type is pkce; only jwt, a service app, is supported" in lines[0]
        assert "print them with --token-command" in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_all_mistakes_are_told_together(tmp_path: Path) -> None:
    write_config(tmp_path, "", client_id=None)
    done = batchrun("run", command.rows_file(tmp_path, 1), "--workflow-id", "w", "--rps", "0", "--oauth-config",
                    "coze_oauth_config.json", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2
    assert all(told in done.stderr for told in ("--rps", "it has no client_id", "it has no coze_api_base"))
    assert "no token" not in done.stderr


def test_the_tokens_of_another_region_are_refused_with_the_option_that_helps(tmp_path: Path) -> None:
    write_config(tmp_path, "https://api.coze.com/")
    words = (command.rows_file(tmp_path, 1), "--workflow-id", "w", "--oauth-config", "coze_oauth_config.json")
    done = batchrun("check", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert "valid at https://api.coze.com, but the job goes to https://api.coze.cn" in done.stderr
    assert "add --base-url https://api.coze.com" in done.stderr
    write_config(tmp_path, "http://localhost:9")
    given = batchrun("check", *words, "--base-url", "http://127.0.0.1:9", cwd=tmp_path)
    assert given.returncode == 0, given.stderr
    both = batchrun("check", *words, "--base-url", "gateway", cwd=tmp_path)
    assert "--base-url: expected an address" in both.stderr
    assert "add --base-url" not in both.stderr


@pytest.mark.parametrize("other", ["token-file", "token-command"])
def test_there_is_one_source_of_the_token(tmp_path: Path, other: str) -> None:
    write_config(tmp_path, "https://api.coze.cn")
    sources = ("--oauth-config", "coze_oauth_config.json", f"--{other}", "x")
    for words in (("run", command.rows_file(tmp_path, 1), "--workflow-id", "w"), ("history", "7")):
        done = batchrun(*words, *sources, cwd=tmp_path)
        assert done.returncode == 2
        assert f"--{other} and --oauth-config both give the token; leave one of them out" in done.stderr
        assert "no token" not in done.stderr


def test_the_extra_is_named_where_it_is_missing_and_not_needed_without_the_option(tmp_path: Path) -> None:
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "cozepy.py").write_text("raise ModuleNotFoundError('cozepy')")
    write_config(tmp_path, "https://api.coze.cn")
    words = ("run", command.rows_file(tmp_path, 1), "--workflow-id", "echo")
    env = command.environment(COZE_API_TOKEN="", PYTHONPATH=str(tmp_path / "absent"))
    done = command.installed_batchrun(*words, "--oauth-config", "coze_oauth_config.json", cwd=tmp_path, env=env)
    assert done.returncode == 2
    assert "pip install 'batchrun[oauth]'" in done.stderr
    done = command.installed_batchrun(*words, "--simulate", "--sim", "duration=0.1", *FAST, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr


def test_a_token_file_is_read_again_for_a_code_as_for_a_401(tmp_path: Path) -> None:
    """A code under HTTP 200 proves as well that no run was started."""
    service = CozeService()
    valid = ["old-token-0123456789"]
    token = tmp_path / "token"
    token.write_text(valid[0])

    def is_valid(_: ReceivedRequest, used: str) -> bool:
        if service.runs and valid[0].startswith("old"):
            valid[0] = "new-token-0123456789"
            token.write_text(valid[0])
        return used == valid[0]

    service.is_valid = is_valid
    words = ("run", command.rows_file(tmp_path, 9), "--workflow-id", "w", "--token-file", "token", *FAST)
    with stub_server(service) as server:
        done = batchrun(*words, "--base-url", server.url, "-o", "job", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert service.refused > 0
        assert len(service.runs) == 9
        service.is_valid = lambda *_: False
        for api in ("auto", "open"):
            service.refused = 0
            done = batchrun(*words, "--base-url", server.url, "--api", api, "-o", f"refused-{api}", cwd=tmp_path)
            assert done.returncode == 4
            assert "the service refused the token: " in done.stderr
            assert "--token-file token still gives the token that was refused" in done.stderr
            assert service.refused == 1
