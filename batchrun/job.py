"""The job: its options in groups (`batchrun.options`), and what follows from them together.

The names of the fields are used everywhere: `max_in_flight` is `--max-in-flight` on the command line,
`BATCHRUN_MAX_IN_FLIGHT` in the environment, and `max-in-flight` in job files and `job.toml`.
"""

import codecs
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from inspect import Parameter, Signature
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError, ValidationInfo, model_validator

from batchrun.dialects import AUTO, UNSETTLED, Dialect
from batchrun.domain.input_formats import format_of, stem
from batchrun.options.columns import ColumnOptions
from batchrun.options.names import in_python, option_name, python_names
from batchrun.options.outcome import OutcomeOptions
from batchrun.options.pace import PaceOptions
from batchrun.options.source import SourceOptions, path_beside, refuse_unusable_rows
from batchrun.options.sweep import first_workflow
from batchrun.options.types import File, Integer
from batchrun.options.validation import BUILDING, Conflict, build, field_namer, raise_conflicts

PINNED = (
    "format",
    "encoding",
    "delimiter",
    "param",
    "rename",
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


class Job(OutcomeOptions, PaceOptions, ColumnOptions, SourceOptions):
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
            refuse_unusable_rows(rows, options.get("out"))
            options["input"] = path_beside(Path(options["out"]), rows)
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

    checkpoint_dir: File | None = Field(
        default=None,
        description="A local folder for the checkpoint, if the run directory is on a network file system "
        "[default: the run directory]",
    )
    seed: Integer | None = Field(default=None, description="Seed of every random draw [default: drawn, and recorded]")

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
        yield from self.pace_conflicts(name)
        yield from self.service_conflicts(name)
        if self.file and (self.simulate or self.api != AUTO) and self.dialect.file_limits is None:
            is_default = self.simulate and self.api == AUTO
            api = f"the API of --simulate, {UNSETTLED}," if is_default else f"--api {self.api}"
            yield Conflict(("file", "api", "simulate"), f"{name('file')}: {api} takes no files; only --api open does")
        if self.file and self.on_workers:
            given = "workers" if self.ray_address is None else "ray"
            yield Conflict((given, "file"), f"{name('file')}: one process uploads files; leave out {name(given)}")
        yield from self.column_conflicts(name)
        if self.limit is not None and self.sample is not None:
            text = f"{name('limit')} and {name('sample')} exclude each other; leave one of them out"
            yield Conflict(("limit", "sample"), text)

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
    def file_folder(self) -> Path:
        """The folder below which the files of `file` are."""
        return self.file_root or (self.input if self.input.is_dir() else self.input.parent)

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
        return tuple(self.dialect_of(variant.workflow_version or self.workflow_version) for variant in variants)

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


def build_job(values: Mapping[str, object], locations: Mapping[str, str] | None = None) -> Job:
    """Build a job from values by field name. Raises `InputError` with all mistakes, one per line.

    `locations`: where a value comes from, for messages, if not from a command-line option: a variable or a line of a
    file.
    """
    return build(Job, values, lambda field: (locations or {}).get(field) or option_name(field))
