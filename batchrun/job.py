"""The job: all options with their defaults and descriptions.

The names of the fields are used everywhere: `max_in_flight` is `--max-in-flight` on the command line,
`BATCHRUN_MAX_IN_FLIGHT` in the environment, and `max-in-flight` in job files and `job.toml`.
"""

import codecs
import re
import shlex
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from inspect import Parameter, Signature
from itertools import combinations
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from batchrun.dialects import AUTO, DIALECTS, UNSETTLED, Dialect, dialect_named, of_each_dialect
from batchrun.dialects.base import DEFAULT_MAX_IN_FLIGHT, SubmitOptions
from batchrun.domain.filenames import OUTPUTS
from batchrun.domain.hosts import is_in_the_clear
from batchrun.domain.input_formats import FORMATS, format_named, format_of, stem
from batchrun.errors import InputError
from batchrun.option_names import in_python, option_name, python_names
from batchrun.option_types import (
    ColumnType,
    Count,
    File,
    Integer,
    Rate,
    Seconds,
    host_and_port,
    join_alternatives,
    web_address,
)
from batchrun.sweep_options import SweepOptions, first_workflow
from batchrun.validation import BUILDING, Conflict, build, field_namer, json_problem, raise_conflicts

PINNED = (
    "format",
    "encoding",
    "delimiter",
    "param",
    "skip",
    "const",
    "type",
    "key",
    "file",
    "workflow_id",
    "api",
    "base_url",
    "simulate",
    "vary",
    "variant",
    "repeat",
    "sample",
)
"""Options that, together with the input, identify a job. All other options may change between commands."""


PLANS = {"free": 50.0, "advanced": 100.0, "team": 200.0, "enterprise": 500.0}
"""Requests per second that a plan of api.coze.cn allows, submissions and polls together."""

UPLOADS_PER_SECOND = {"free": 10.0, "advanced": 10.0, "team": 20.0, "enterprise": 20.0}
"""Uploads per second that a plan of api.coze.cn allows. They do not count as submissions or polls."""

TOKEN_SOURCES = ("token_file", "token_command", "oauth_config")
"""Options for the source of the token; at most one may be set. Without them it comes from the environment."""

TOKEN_VARIABLE = of_each_dialect(lambda dialect: dialect.token_variable)
"""The environment variable with the token, for messages."""


def _rate_or_none(rate: float | None) -> str:
    return "no limit" if rate is None else f"{rate:g}"


SERVICE_OPTIONS = ("api", "base_url", *TOKEN_SOURCES, "ca_file", "allow_insecure", "request_timeout")
"""Options that are needed to send a single request to the service."""


with warnings.catch_warnings():
    # The field replaces a deprecated method of pydantic, which pydantic warns about.
    warnings.filterwarnings("ignore", 'Field name "schema"', UserWarning)

    class _SchemaOption(SweepOptions):
        schema: File | None = Field(  # type: ignore[assignment]  # replaces a deprecated method
            default=None,
            description="JSON Schema of the inputs: every row is checked before the first POST [default: none]",
        )


class Job(_SchemaOption):
    """A job: one input, one workflow and one run directory.

        job = batchrun.Job(input="rows.csv", workflow_id="7412345678901234567", rps=20)
        summary = batchrun.run(job)

    `input` is a file, or rows in memory: a DataFrame, an Arrow table or a list of dicts. These are written to a file
    beside the run directory, which `out` must name then. Every option of `batchrun run` is an argument, with
    underscores: `max_in_flight=200`, `const={"lang": "en"}`, `type={"price": "float"}`, `sim={"duration": 0.3}`.
    `batchrun run --help` describes them all. Durations are in seconds (or text such as "10m", or a timedelta), rates in
    requests per second.

    Raises `InputError` with all mistakes, one per line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    _rows: Any = PrivateAttr(default=None)

    def __init__(self, /, **options: Any) -> None:
        context, rows = BUILDING.get(), None
        if not isinstance(options.get("input"), str | PathLike | None):
            rows = options["input"]
            _refuse_unusable_rows(rows, options.get("out"))
            options["input"] = _path_beside(Path(options["out"]), rows)
        if not options.get("workflow_id") and (workflow_id := first_workflow(options)) is not None:
            options["workflow_id"] = workflow_id
        try:
            self.__pydantic_validator__.validate_python(options, self_instance=self, context=context)
        except ValidationError:
            if context is not None:
                raise
            with python_names():
                build(type(self), options, str)  # raises `InputError` with all mistakes
            raise
        self._rows = rows

    @property
    def rows_in_memory(self) -> Any:
        """The rows, if `input` was not a file; None otherwise."""
        return self._rows

    input: File = Field(description=f"The rows: {join_alternatives(entry.suffixes[0] for entry in FORMATS.values())}")
    workflow_id: str = Field(min_length=1, description="The workflow that every row is sent to [required]")
    out: File | None = Field(
        default=None,
        description="The run directory [default: the input's name with -run, or -simulated, in the working directory]",
    )
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

    format: str | None = Field(default=None, description="Format of the input [default: by its suffix]")
    encoding: str = Field(default="utf-8", description="Encoding of text inputs")
    delimiter: str | None = Field(default=None, description="Delimiter of text inputs [default: by the format]")
    param: dict[str, str] = Field(
        default={},
        description="Send COLUMN as the input NAME; columns without a --param are not sent "
        "[default: each column under its own name]",
    )
    skip: list[str] = Field(default=[], description="Do not send this column")
    const: dict[str, Any] = Field(
        default={}, description="The same input for every row; VALUE is JSON if it parses as JSON, else text"
    )
    type: dict[str, ColumnType] = Field(
        default={},
        description="Read a column of text as str, int, float, bool or json; an empty cell is then null [default: str]",
    )
    key: str | None = Field(
        default=None, description="A column whose values identify rows; must be unique and not null [default: none]"
    )
    file: list[str] = Field(
        default=[],
        description="A column with paths of local files: each file is uploaded once, and its reference is sent",
    )
    file_root: File | None = Field(
        default=None, description="The folder of the files; files outside it are refused [default: that of the input]"
    )

    mode: Literal["async", "sync"] = Field(
        default="async",
        description="async: runs are polled; sync: each POST waits for its result",
    )
    rps: Rate = Field(default=10.0, description="Submissions per second")
    poll_rps: Rate = Field(default=50.0, description="Polls per second")
    total_rps: Rate | None = Field(
        default=None,
        description="Submissions and polls together, per second "
        f"[default: {of_each_dialect(lambda dialect: _rate_or_none(dialect.default_total_rps))}]",
    )
    share_limits: str | None = Field(
        default=None,
        description="Share --rps, --poll-rps and --total-rps with all other jobs of this user on this machine "
        "that give the same NAME; the lowest of their limits applies [default: not shared]",
    )
    rate_control: Literal["adaptive", "fixed"] = Field(
        default="adaptive",
        description="adaptive: after a 429, find the rate that the service accepts; fixed: pause, then send at the "
        "same rate as before",
    )
    max_in_flight: Count | None = Field(
        default=None,
        description="At most N unfinished runs at a time, requests being sent included "
        f"[default: {of_each_dialect(lambda dialect: str(dialect.default_max_in_flight))}]",
    )
    max_connections: Count | None = Field(
        default=None, description="Concurrent HTTP requests [default: 100; with --mode sync, as --max-in-flight]"
    )
    poll_schedule: Literal["learned", "exponential"] = Field(
        default="learned",
        description="When runs are polled: learned, as the durations of ended runs suggest; exponential, at intervals "
        "that double",
    )
    poll_initial: Seconds = Field(
        default=1.0,
        description="Shortest interval between two polls of a run, and the first one until durations are known, "
        "in seconds; doubles from poll to poll",
    )
    poll_max: Seconds = Field(default=30.0, description="Longest interval between two polls of a run, in seconds")
    max_polls: Count | None = Field(
        default=None, description="Polls of one run before it counts as timed out [default: no limit]"
    )
    plan: Literal["free", "advanced", "team", "enterprise"] | None = Field(
        default=None,
        description="Plan of the account: sets --total-rps to 50, 100, 200 or 500, unless that is given; --rps "
        "and --poll-rps still bind [default: none]",
    )
    run_timeout: Seconds = Field(default=3600.0, description="Seconds from acceptance until a run counts as timed out")
    request_timeout: Seconds | None = Field(
        default=None,
        description="Seconds for one HTTP request [default: 30; with --mode sync, --run-timeout for a submission]",
    )
    drain_timeout: Seconds = Field(
        default=20.0, description="Seconds to wait for open requests when the job is interrupted"
    )
    callback_url: str | None = Field(
        default=None,
        description="Public address under which the service reaches this process [default: none, polling only]",
    )
    callback_listen: str | None = Field(
        default=None, description="Where the receiver of callbacks listens, such as 127.0.0.1:8080 [default: nowhere]"
    )
    max_outage: Seconds = Field(default=900.0, description="How long to wait for an unavailable service, such as 15m")

    retries: Integer = Field(default=3, ge=0, description="Retries per row, whatever the reason")
    retry_failed_runs: bool = Field(default=False, description="Also resubmit rows whose run failed")
    in_doubt: Literal["hold", "resubmit", "fail"] = Field(
        default="hold", description="What becomes of rows whose POST was sent and never answered"
    )
    max_failures: str | None = Field(
        default=None,
        description="Stop after N failed rows in all sessions, or when more than P% of the ended rows have failed "
        "(from 20 rows on) [default: no limit]",
    )
    max_submissions: Count | None = Field(
        default=None, description="Stop after N POSTs that reached the service, in all sessions [default: no limit]"
    )
    max_tokens: Count | None = Field(
        default=None,
        description="Stop when the service has reported N tokens for the runs of all sessions [default: no limit]",
    )
    max_runtime: Seconds | None = Field(
        default=None, description="Stop after this time, such as 90s, 10m, 2h [default: no limit]"
    )
    limit: Count | None = Field(
        default=None, description="Only the first N rows; may be raised or dropped later [default: all]"
    )

    select: dict[str, str] = Field(
        default={}, description=f"An extra column of {OUTPUTS}: a JMESPath expression on the output"
    )
    flatten: bool = Field(
        default=False, description=f"An extra column of {OUTPUTS} for each top-level key of the outputs"
    )
    reuse: File | None = Field(
        default=None,
        description="Take over, by --key and equal inputs, what the jobs in DIR have completed; what they left running "
        "or in doubt is not sent [default: nothing]",
    )

    checkpoint_dir: File | None = Field(
        default=None,
        description="A local folder for the checkpoint, if the run directory is on a network file system "
        "[default: the run directory]",
    )
    allow_insecure: bool = Field(
        default=False, description="Send the token over http, unencrypted, even to another machine"
    )
    ca_file: File | None = Field(default=None, description="Further certificates to trust (PEM) [default: none]")
    seed: Integer | None = Field(default=None, description="Seed of every random draw [default: drawn, and recorded]")

    @field_validator("input", mode="before")
    @classmethod
    def _input(cls, value: object) -> object:
        text = str(value)
        if text == "-":
            raise ValueError("standard input cannot be read, because rows are read more than once; save them to a file")
        if re.match(r"[a-z][a-z0-9+.-]+:/", text) and isinstance(value, str | Path):
            raise ValueError("an address cannot be read; download the file first")
        if text.endswith(".toml"):
            raise ValueError(f"a job file is given with -c: batchrun run -c {text}")
        return value

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

    @field_validator("workflow_id")
    @classmethod
    def _workflow_id(cls, value: str) -> str:
        value = value.strip()
        page = re.search(r"[?&]workflow_id=([^&#\s]+)", value)
        value = page[1] if page is not None and "://" in value else value
        if not value:
            raise ValueError("is empty")
        if "://" in value:
            raise ValueError("is an address without workflow_id=ID; give the ID")
        if re.search(r"\s", value):
            raise ValueError("holds a blank; give the ID alone")
        return value

    @field_validator("format", mode="before")
    @classmethod
    def _format(cls, value: object) -> object:
        if value is None:
            return None
        if (input_format := format_named(str(value))) is None:
            raise ValueError(f"expected {join_alternatives(FORMATS)}")
        return input_format.name

    @field_validator("max_failures", mode="before")
    @classmethod
    def _max_failures(cls, value: object) -> object:
        text = str(value) if isinstance(value, int) else value
        if isinstance(text, str) and not re.fullmatch(r"0*[1-9]\d*|\d+(\.\d+)?%", text):
            raise ValueError("expected a count such as 100, or a share such as 5%")
        if isinstance(text, str) and text.endswith("%") and float(text[:-1]) > 100:
            raise ValueError("a share cannot be more than 100%")
        return text

    @field_validator("share_limits")
    @classmethod
    def _share_limits(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9._-]+", value):
            raise ValueError("expected a name of letters, digits, dots, underscores and hyphens")
        return value

    @field_validator("const", mode="before")
    @classmethod
    def _const_of_text(cls, value: object) -> object:
        # TOML has no null, so constants may also be given as the text of a JSON object.
        with suppress(msgspec.MsgspecError, UnicodeError):
            return msgspec.json.decode(value) if isinstance(value, str) else value
        return value

    @field_validator("const")
    @classmethod
    def _const(cls, value: dict[str, Any]) -> dict[str, Any]:
        problems = [f"{name}: {reason}" for name, item in value.items() if (reason := json_problem(item))]
        if problems:
            raise ValueError("; ".join(problems))
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

    @field_validator("callback_url")
    @classmethod
    def _callback_url(cls, value: str | None) -> str | None:
        return value if value is None else web_address(value, "https://jobs.example.com/batchrun")

    @field_validator("callback_listen")
    @classmethod
    def _callback_listen(cls, value: str | None) -> str | None:
        if value is not None:
            host_and_port(value)
        return value

    @field_validator("delimiter")
    @classmethod
    def _delimiter(cls, value: str | None) -> str | None:
        value = {"\\t": "\t", "tab": "\t"}.get(value or "", value)
        if value is not None and (len(value) != 1 or value in '"\r\n'):
            raise ValueError("expected one character")
        return value

    @model_validator(mode="after")
    def _check_conflicts(self, info: ValidationInfo) -> "Job":
        raise_conflicts(self._conflicts(field_namer(info, option_name)), info)
        return self

    def _conflicts(self, name: Callable[[str], str]) -> Iterator[Conflict]:
        """Options that contradict each other, with the names that the user knows.

        Only options that would do something other than requested are refused. An option that merely has no effect
        causes a warning (see `batchrun.app.option_warnings`). An option that `--simulate` does not need causes neither,
        so that the same command without `--simulate` runs the real job.
        """
        if self.poll_max < self.poll_initial:
            values = f"{self.poll_max:g} < {self.poll_initial:g} seconds"
            text = f"{name('poll_max')} is less than {name('poll_initial')} ({values}); change one of them"
            yield Conflict(("poll_max", "poll_initial"), text)
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
        if not self.synchronous and not self.dialect.has_async_mode:
            text = f"{name('mode')} {self.mode}: {name('api')} {self.api} answers only when a run has ended"
            yield Conflict(("mode", "api"), f"{text}; use --mode sync")
        if self.bot_id is not None and self.app_id is not None:
            text = f"{name('bot_id')} and {name('app_id')} exclude each other; leave one of them out"
            yield Conflict(("bot_id", "app_id"), text)
        if self.file and (self.simulate or self.api != AUTO) and self.dialect.file_limits is None:
            is_default = self.simulate and self.api == AUTO
            api = f"the API of --simulate, {UNSETTLED}," if is_default else f"--api {self.api}"
            yield Conflict(("file", "api", "simulate"), f"{name('file')}: {api} takes no files; only --api open does")
        if (self.callback_url is None) != (self.callback_listen is None):
            given, missing = ("callback_url", "callback_listen")[:: 1 if self.callback_url else -1]
            text = f"{name(given)} needs {option_name(missing)}: one says where the service calls, one where we listen"
            yield Conflict((given, missing), f"{text}; give both, or neither")
        yield from self.sweep_conflicts(name, {"param": self.param, "const": self.const})
        if self.limit is not None and self.sample is not None:
            text = f"{name('limit')} and {name('sample')} exclude each other; leave one of them out"
            yield Conflict(("limit", "sample"), text)
        for column in self.skip:
            if column in self.param.values():
                text = f"{name('skip')} {column}: the column is also sent by {name('param')}; leave one of them out"
                yield Conflict(("skip", "param"), text)
        for constant in self.const:
            if constant in self.param:
                text = f"{name('const')} {constant}: the input is also sent from a column by {name('param')}"
                yield Conflict(("const", "param"), f"{text}; leave one of them out")

    @property
    def folder(self) -> Path:
        """The run directory."""
        if self.out is not None:
            return self.out
        return Path(f"{stem(self.input)}-{'simulated' if self.simulate else 'run'}")

    @property
    def checkpoint_folder(self) -> Path:
        """The folder of the checkpoint."""
        return self.checkpoint_dir or self.folder

    @property
    def dialect(self) -> Dialect:
        """The dialect of the service's API; `UNSETTLED` while `auto` has not found it out. `--simulate` is `v1`."""
        return self._dialect(self.workflow_version)

    def _dialect(self, workflow_version: str | None) -> Dialect:
        return dialect_named(self.api).with_options(SubmitOptions(self.bot_id, self.app_id, workflow_version, self.ext))

    @property
    def file_folder(self) -> Path:
        """The folder below which the files of `file` are."""
        return self.file_root or (self.input if self.input.is_dir() else self.input.parent)

    @property
    def uploads_per_second(self) -> float:
        """Uploads per second; without a plan, as many as each plan allows."""
        return UPLOADS_PER_SECOND.get(self.plan or "", min(UPLOADS_PER_SECOND.values()))

    @property
    def total_limit(self) -> float | None:
        """Submissions and polls per second together; None if there is no limit."""
        if self.total_rps is not None:
            return self.total_rps
        return PLANS[self.plan] if self.plan is not None else self.dialect.default_total_rps

    @property
    def unsent_targets(self) -> tuple[str, ...]:
        """The columns that are only there for scorers to compare with, and are not sent."""
        return () if self.param else tuple(column for column in self.target_columns if column != self.key)

    @property
    def workflow_ids(self) -> tuple[str, ...]:
        """The workflows that rows are sent to, the first variant's first."""
        return tuple(dict.fromkeys(variant.workflow_id or self.workflow_id for variant in self.sweep.variants))

    @property
    def row_limit(self) -> int | None:
        """The number of rows that `limit` allows; of a sweep, rows of the product."""
        return None if self.limit is None else self.sweep.rows(self.limit)

    @property
    def variant_dialects(self) -> tuple[Dialect, ...]:
        """The dialect with the options of each variant; empty if they do not differ."""
        variants = self.sweep.variants
        if all(variant.workflow_version is None for variant in variants):
            return ()
        return tuple(self._dialect(variant.workflow_version or self.workflow_version) for variant in variants)

    @property
    def service_url(self) -> str:
        """The base URL of the service."""
        return self.base_url or self.dialect.default_base_url

    # Defaults that depend on other options are computed here and not stored, as a job may be resumed in the other mode.

    @property
    def synchronous(self) -> bool:
        """Whether the response to a POST holds the result of the run."""
        return self.mode == "sync"

    @property
    def in_flight_limit(self) -> int:
        """Maximum number of runs in flight. What a service allows for asynchronous runs says nothing of others."""
        return self.max_in_flight or (DEFAULT_MAX_IN_FLIGHT if self.synchronous else self.dialect.default_max_in_flight)

    @property
    def connections(self) -> int:
        """Maximum number of concurrent HTTP requests."""
        return self.max_connections or (self.in_flight_limit if self.synchronous else 100)

    @property
    def poll_timeout(self) -> float:
        """Timeout of a poll in seconds. It does not depend on the mode."""
        return self.request_timeout or 30.0

    @property
    def submit_timeout(self) -> float:
        """Timeout of a submission in seconds."""
        return self.request_timeout or (self.run_timeout if self.synchronous else 30.0)

    @property
    def callback_address(self) -> tuple[str, int] | None:
        """Host and port of `callback_listen`; None if no callbacks are received."""
        return None if self.callback_listen is None else host_and_port(self.callback_listen)

    @property
    def failures_allowed(self) -> tuple[int | None, float | None]:
        """`max_failures` as a count or as a percentage."""
        text = self.max_failures
        if text is None:
            return None, None
        return (None, float(text[:-1])) if text.endswith("%") else (int(text), None)

    @property
    def identity(self) -> dict[str, Any]:
        """The options that identify the job to people: input, workflow, and whether it is simulated."""
        return {"input": str(self.input), "workflow_id": self.workflow_id, "simulate": self.simulate}

    def pinned(self) -> dict[str, Any]:
        """The options in `PINNED` with their resolved values."""
        options = {name: getattr(self, name) for name in PINNED}
        if self.simulate and self.api == AUTO:
            options["api"] = UNSETTLED
        options["base_url"] = None if self.simulate else self.service_url
        options["skip"] = sorted({*self.skip, *self.unsent_targets})
        options["variant"] = [table.model_dump() for table in self.variant or ()]
        options["file"] = sorted(self.file)
        # Store the resolved values, so that giving the default explicitly makes no difference.
        input_format = format_of(self.input, self.format)
        options["format"] = None if input_format is None else input_format.name
        with suppress(LookupError):
            options["encoding"] = codecs.lookup(self.encoding).name.removesuffix("-sig")
        options["delimiter"] = self.delimiter or (None if input_format is None else input_format.delimiter)
        return options


def _refuse_unusable_rows(rows: object, out: object) -> None:
    """Raise `InputError` if `rows` cannot be rows in memory, or if there is no name for their file."""
    name = type(rows).__name__
    if isinstance(rows, bytes | int | float | set | frozenset) or callable(rows):
        expected = "expected a path, a DataFrame, an Arrow table or a list of dicts"
        raise InputError(f"input: a value of type {name} cannot be read as a table; {expected}")
    if name == "Series":
        raise InputError("input: a Series is one column; make a table of it with input=series.to_frame()")
    if isinstance(rows, Iterator | tuple):
        raise InputError(f"input: expected a list of dicts (got a {name}); use input=list(…)")
    if not isinstance(out, str | PathLike) or not str(out).strip():
        raise InputError("out: name the run directory, because rows in memory have no name of their own")


def _path_beside(out: Path, rows: object) -> Path:
    """The file for rows in memory: beside the run directory, so that `fresh` does not set it aside."""
    return out.with_name(f"{out.name}-input.{'jsonl' if isinstance(rows, list) else 'parquet'}")


def _signature() -> Signature:
    """The signature for `help`: the options that most jobs have, and `**options` for the others."""
    usual = ("input", "workflow_id", "out", "simulate", "rps", "max_in_flight")
    fields = {name: Job.model_fields[name] for name in usual}
    return Signature(
        [
            *(
                Parameter(name, Parameter.KEYWORD_ONLY, default=Parameter.empty if info.is_required() else info.default)
                for name, info in fields.items()
            ),
            Parameter("options", Parameter.VAR_KEYWORD),
        ]
    )


def _options_described() -> str:
    """Every option with its meaning and default."""
    lines = ["Options, by name:", ""]
    for name, info in Job.model_fields.items():
        is_shown = not info.is_required() and info.default not in (None, [], {})
        default = f" [default: {info.default!r}]" if is_shown else ""
        lines.append(f"{name}: {in_python(info.description or '')}{default}")
    return "\n".join(lines)


Job.__signature__ = _signature()
Job.__init__.__doc__ = _options_described()


def _refuse_shell_operator(command: str) -> None:
    """Refuse a command with a pipe or the like outside quotes, which the first program would get as an argument."""
    words = shlex.shlex(command, posix=True, punctuation_chars="|&;<>")
    words.whitespace_split, words.commenters = True, ""
    operator = next((word for word in words if not word.strip("|&;<>")), None)
    if operator is not None:
        raise ValueError(f"runs without a shell, which {operator} needs; write sh -c '…' around the whole command")


def build_job(values: Mapping[str, object], locations: Mapping[str, str] | None = None) -> Job:
    """Build a job from values by field name. Raises `InputError` with all mistakes, one per line.

    `locations`: where a value comes from, for messages, if not from a command-line option: a variable or a line of a
    file.
    """
    return build(Job, values, lambda field: (locations or {}).get(field) or option_name(field))
