"""The options that say which service a job talks to, and how it proves who it is."""

import shlex
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations

from pydantic import BaseModel, Field, field_validator

from batchrun.dialects import AUTO, DIALECTS, UNSETTLED, Dialect, dialect_named, of_each_dialect
from batchrun.dialects.base import SubmitOptions
from batchrun.domain.hosts import is_in_the_clear
from batchrun.options.types import File, join_alternatives, web_address
from batchrun.options.validation import Conflict

TOKEN_SOURCES = ("token_file", "token_command", "oauth_config")
"""Options for the source of the token; at most one may be set. Without them it comes from the environment."""

TOKEN_VARIABLE = of_each_dialect(lambda dialect: dialect.token_variable)
"""The environment variable with the token, for messages."""

SERVICE_OPTIONS = ("api", "base_url", *TOKEN_SOURCES, "ca_file", "allow_insecure", "request_timeout")
"""Options that are needed to send a single request to the service."""


class ServiceOptions(BaseModel):
    """The API, its address, and the token."""

    api: str = Field(
        default=AUTO,
        description="API of the service. auto: detect v1 or open with one request that starts no run; v1: the "
        "documented workflow API; open: api.coze.cn and api.coze.com; studio: self-hosted coze-studio",
    )
    bot_id: str | None = Field(
        default=None, description="The bot that workflows with database or variable nodes need [default: none]"
    )
    app_id: str | None = Field(default=None, description="The app that the workflow belongs to [default: none]")
    workflow_version: str | None = Field(
        default=None, description="Version of the workflow, such as v0.0.5 [default: the latest one]"
    )
    ext: dict[str, str] = Field(
        default={}, description="Extra key for the request's `ext` field (open, studio), such as user_id=me"
    )
    base_url: str | None = Field(
        default=None,
        description=f"Where the service is [default: {of_each_dialect(lambda dialect: dialect.default_base_url)}]",
    )
    simulate: bool = Field(
        default=False, description="Run against the built-in simulator: no account, no token, no cost"
    )
    sim: list[str] = Field(
        default=[],
        description="An option of the simulator, such as duration=2 or fail=0.05 (see batchrun simulate --help)",
    )
    token_file: File | None = Field(
        default=None, description=f"A file whose first line is the token [default: the variable {TOKEN_VARIABLE}]"
    )
    token_command: str | None = Field(
        default=None,
        description="A command that prints the token; run without a shell, and again if it is refused [default: none]",
    )
    oauth_config: File | None = Field(
        default=None,
        description="The coze_oauth_config.json of a service app, whose tokens are renewed before they expire; "
        "needs pip install 'batchrun[oauth]' [default: none]",
    )
    allow_insecure: bool = Field(
        default=False, description="Send the token over http, unencrypted, even to another machine"
    )
    ca_file: File | None = Field(default=None, description="Further certificates to trust (PEM) [default: none]")

    @field_validator("sim", mode="before")
    @classmethod
    def _sim(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        return [f"{name}={str(one).lower() if isinstance(one, bool) else one}" for name, one in value.items()]

    @field_validator("api")
    @classmethod
    def _api(cls, value: str) -> str:
        if value not in (AUTO, *DIALECTS):
            raise ValueError(f"expected {join_alternatives((AUTO, *DIALECTS))}")
        return value

    @field_validator("token_command")
    @classmethod
    def _token_command(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                words = shlex.split(value)
            except ValueError:
                raise ValueError("has a quote that is not closed") from None
            if not words or not words[0]:
                raise ValueError("is empty")
            _refuse_shell_operator(value)
        return value

    @field_validator("base_url")
    @classmethod
    def _base_url(cls, value: str | None) -> str | None:
        return value if value is None else web_address(value, DIALECTS[UNSETTLED].default_base_url)

    @property
    def dialect(self) -> Dialect:
        """The dialect of the service's API; `UNSETTLED` while `auto` has not found it out. `--simulate` is `v1`."""
        return self.dialect_of(self.workflow_version)

    def dialect_of(self, workflow_version: str | None) -> Dialect:
        """The dialect with the options of a submission of this version of the workflow."""
        return dialect_named(self.api).with_options(SubmitOptions(self.bot_id, self.app_id, workflow_version, self.ext))

    @property
    def service_url(self) -> str:
        """The base URL of the service."""
        return self.base_url or self.dialect.default_base_url

    def service_conflicts(self, name: Callable[[str], str]) -> Iterator[Conflict]:
        """Options that contradict each other."""
        if self.sim and not self.simulate:
            text = f"{name('sim')} is for rehearsals, and without --simulate this job goes to the real service"
            yield Conflict(("sim", "simulate"), f"{text}; add --simulate, or leave it out")
        for first, second in combinations([source for source in TOKEN_SOURCES if getattr(self, source) is not None], 2):
            text = f"{name(first)} and {name(second)} both give the token; leave one of them out"
            yield Conflict((first, second), text)
        if self.base_url and not self.simulate and not self.allow_insecure and is_in_the_clear(self.base_url):
            text = f"{name('base_url')} {self.base_url}: over http anybody on the way could read the token"
            yield Conflict(
                ("base_url", "simulate", "allow_insecure"),
                f"{text}; use https, or add --allow-insecure if you trust the whole way",
            )
        if self.bot_id is not None and self.app_id is not None:
            text = f"{name('bot_id')} and {name('app_id')} exclude each other; leave one of them out"
            yield Conflict(("bot_id", "app_id"), text)


def _refuse_shell_operator(command: str) -> None:
    """Refuse a command with a pipe or the like outside quotes, which the first program would get as an argument."""
    words = shlex.shlex(command, posix=True, punctuation_chars="|&;<>")
    words.whitespace_split, words.commenters = True, ""
    operator = next((word for word in words if not word.strip("|&;<>")), None)
    if operator is not None:
        raise ValueError(f"runs without a shell, which {operator} needs; write sh -c '…' around the whole command")
