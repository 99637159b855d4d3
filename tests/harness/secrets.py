"""Tokens, keys and the passwords of proxies, sought in everything that a job leaves and shows.

The service and the proxy repeat them wherever an answer has room for them. They are sought in every file (byte by byte,
also in the free pages of the checkpoint), in what each command shows, in names, arguments and environments.
"""

import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.harness.figures import Chunk, Figure
from tests.harness.kill_scenarios import FIFTH_POST
from tests.harness.secret_app import RepeatingApp
from tests.harness.secret_jobs import FAST, TOKENS, SecretTrial, search_for
from tests.harness.secret_proxies import CREDENTIALS, PASSWORD, AnsweringProxy, RefusingProxy, address
from tests.harness.secret_services import RepeatingService
from tests.support.broken_product import fail_with_the_request
from tests.support.command import environment
from tests.support.kill_points import kill_at
from tests.support.marked_secrets import FORMS
from tests.support.oauth_config import KEY, write_config
from tests.support.repeating_service import raw_service
from tests.support.stub_server import stub_server

SOUGHT = "files, outputs and processes in which a token, a key or a proxy's password was sought"
REPEATED = "answers of a service or a proxy that repeated one"

SOURCES = ("environment", "file", "command")
LEVELS = ("-q", "", "-v", "-vv")

SERVICE, OAUTH, PROXY, CRASH = "service", "oauth", "proxy", "crash"


def chunks(full: bool) -> Sequence[Chunk]:
    """What is tried: the source of the token, and how much is logged."""
    if not full:
        return [
            (SERVICE, "command", "-vv"), (OAUTH, "", "-vv"), (PROXY, "http", "-v"), (PROXY, "https", ""),
            (CRASH, "file", "-vv"),
        ]  # fmt: skip
    return [
        *((SERVICE, source, level) for source in SOURCES for level in LEVELS),
        *((OAUTH, "", level) for level in LEVELS),
        *((PROXY, scheme, level) for scheme in ("http", "https") for level in LEVELS),
        *((CRASH, source, level) for source in SOURCES for level in LEVELS),
    ]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:
    """Try one."""
    what, source, level = map(str, chunk)
    levels = [level] if level else []
    trial, repeated = {SERVICE: of_service, OAUTH: of_oauth, PROXY: of_proxy, CRASH: of_crash}[what](
        folder, source, levels
    )
    where = " ".join((what, source, level))
    return [
        Figure(SOUGHT, trial.search.texts, [f"{where}: {line}" for line in trial.violations]),
        Figure(REPEATED, repeated),
    ]


Options = tuple[object, ...]

DUMP = """#!/bin/sh
cat /proc/[0-9]*/cmdline >> {dump} 2> /dev/null
cat /proc/$$/environ /proc/$PPID/environ >> {dump} 2> /dev/null
cat {token}
"""
"""A command that gives the token. It also writes down the arguments of all processes, and the environment of ours."""


def _source(trial: SecretTrial, source: str) -> tuple[Options, dict[str, str]]:
    """The options and the environment with which a job gets the token from there."""
    token = trial.kept / "token"
    token.write_text(f"{TOKENS[0]}\n")
    if source == "environment":
        return (), environment(COZE_API_TOKEN=TOKENS[0])
    if source == "file":
        return ("--token-file", token), environment(COZE_API_TOKEN="")
    give = trial.kept / "give"
    give.write_text(DUMP.format(dump=shlex.quote(str(trial.kept / "dump")), token=shlex.quote(str(token))))
    give.chmod(0o700)
    return ("--token-command", shlex.quote(str(give))), environment(COZE_API_TOKEN="")


def _job(url: str, options: Options) -> Options:
    return ("run", "rows.csv", "--workflow-id", "w", "-o", "job", "--base-url", url, *FAST, *options)


def of_service(folder: Path, source: str, levels: list[str]) -> tuple[SecretTrial, int]:
    """A job whose token is repeated in every place and form. It is renewed on the way, if the source can."""
    trial = SecretTrial(folder, *TOKENS)
    trial.write_rows()
    options, env = _source(trial, source)
    tokens = TOKENS[:1] if source == "environment" else TOKENS

    def renew(token: str) -> None:
        (trial.kept / "token").write_text(token)

    service = RepeatingService(tokens, renew)
    with raw_service(service) as server:
        job = _job(server.url, (*options, "--log-file", "log", "--json", *levels))
        trial.run(*job, "--progress", "json", env=env, installed=True)
        trial.search_all()
        service.forget()
        trial.run("resume", "job", *levels, env=env)
        trial.run("retry", "job", "--kind", "rejected", *levels, "--log-file", "log", env=env)
        trial.read(server.url, env, options)
        trial.search_all()
    if source == "command" and Path("/proc/self/environ").exists():
        trial.violations += trial.search.text("arguments and environments", (trial.kept / "dump").read_bytes())
    return trial, len(server.received)


def of_crash(folder: Path, source: str, levels: list[str]) -> tuple[SecretTrial, int]:
    """A job that is killed, one that ends with a bug, and one whose token is refused."""
    trial = SecretTrial(folder, *TOKENS)
    trial.write_rows(40)
    options, env = _source(trial, source)
    with raw_service(RepeatingService(TOKENS[:1])) as server:
        job = _job(server.url, (*options, "--log-file", "log", "--json", *levels))
        trial.run(*job, env=env, before=partial(kill_at, FIFTH_POST), codes=[-9])
        trial.search_all()
        for progress in ("log", "json"):
            trial.run(*job, "--progress", progress, env=env, before=fail_with_the_request, codes=[1])
            trial.search_all()
        trial.run("status", "job", "--json", env=env)
        trial.run("report", "job", "--to", "report.html", env=env)
        trial.run(*job, env=env)
        trial.search_all()
    repeated = len(server.received)
    with raw_service(RepeatingService(["another"])) as server:
        refused = (
            _job(server.url, (*options, "--fresh", *levels)),
            ("history", "run-1", "--base-url", server.url, *options),
        )
        for words in refused:
            trial.run(*words, env=env, codes=[4])
        trial.search_all()
    return trial, repeated + len(server.received)


def of_proxy(folder: Path, scheme: str, levels: list[str]) -> tuple[SecretTrial, int]:
    """A proxy whose password is repeated: by itself in refusals, or in the place of the service."""
    trial = SecretTrial(folder, *TOKENS[:1], PASSWORD, CREDENTIALS)
    proxy: RepeatingService | RefusingProxy = RefusingProxy() if scheme == "https" else AnsweringProxy(TOKENS[:1])
    base_url = f"{scheme}://service.example.test"
    with raw_service(proxy) as server:
        variables = {f"{scheme}_proxy": address(server.url), "no_proxy": ""}
        env = environment(COZE_API_TOKEN=TOKENS[0], **variables)
        insecure = ("--allow-insecure",) if scheme == "http" else ()
        job = _job(base_url, (*insecure, "--log-file", "log", "--json", *levels))
        trial.write_rows() if scheme == "http" else trial.write_rows(3)
        trial.run(
            *job,
            *(("--max-outage", "2s") if scheme == "https" else ()),
            env=env,
            codes=[75] if scheme == "https" else [0, 3, 4],
        )
        if scheme == "http":
            trial.read(base_url, env, insecure)
        else:
            for _ in range(3 * len(FORMS)):
                trial.run("history", "1", "--base-url", base_url, env=env, codes=[75])
        trial.search_all()
        return trial, len(server.received)


def of_oauth(folder: Path, _source: str, levels: list[str]) -> tuple[SecretTrial, int]:
    """A job with the tokens of an app, whose key and signed requests are secrets too."""
    trial, app = SecretTrial(folder, *TOKENS), RepeatingApp()
    trial.write_rows(80)
    env = environment(BATCHRUN_API="auto", COZE_API_TOKEN="")
    with stub_server(app) as server:
        options = ("--oauth-config", write_config(trial.kept, server.url))
        job = _job(server.url, (*options, "--log-file", "log", "--json", *levels))
        trial.run(*job, env=env)
        trial.run("resume", "job", *levels, env=env)
        trial.run("history", next(iter(app.runs)), "--workflow-id", "w", "--base-url", server.url, *options, env=env)
        trial.run("status", "job", "--json", env=env)
        trial.run("report", "job", "--to", "report.html", env=env)
    trial.search_all(search_for([*TOKENS, *app.signed]))
    trial.search_all(search_for(KEY.splitlines()[1:-1], parts=False))
    return trial, app.requests
