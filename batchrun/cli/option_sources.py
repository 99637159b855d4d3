"""Merges the sources of options: flags override the environment, which overrides the file, which overrides defaults."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from batchrun.app.job_file import read_options
from batchrun.cli.options import REPEATED, given_options
from batchrun.cli.run_flags import RUN_FLAGS, RunFlags
from batchrun.cli.usage_errors import unusable_input
from batchrun.dialects import dialect_named
from batchrun.errors import InputError
from batchrun.job import TOKEN_SOURCES, TOKEN_VARIABLE, Job, option_name
from batchrun.validation import build, did_you_mean, unknown_option

_T = TypeVar("_T")
PREFIX = "BATCHRUN_"
_OPTION_NAMES = (*Job.model_fields, *RUN_FLAGS, "config")


@dataclass(frozen=True, slots=True)
class ResolvedCommand:
    """The options of a command, merged from all sources."""

    job: Job
    run_flags: RunFlags
    warnings: Sequence[str]
    """Warnings about options that probably do not do what the user expects."""


@dataclass(slots=True)
class _Layers:
    values: dict[str, Any] = field(default_factory=dict)
    locations: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def location_of(self, name: str) -> str:
        return self.locations.get(name) or option_name(name)

    def set(self, name: str, value: object, location: str) -> None:
        self.values[name] = value
        self.locations[name] = location

    def begin_layer(self, names: Collection[str]) -> None:
        """Begin a layer that sets these options. If it has a token source, discard the token source of lower layers."""
        if any(name in names for name in TOKEN_SOURCES):
            for name in TOKEN_SOURCES:
                self.values.pop(name, None)

    def collect(self, function: Callable[[], _T]) -> _T | None:
        try:
            return function()
        except InputError as error:
            self.problems += error.problems
            return None


def resolve(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    stored_job: Job | None = None,
    *,
    further_mistakes: Callable[[Mapping[str, object]], Sequence[str]] = lambda _values: (),
) -> ResolvedCommand:
    """Resolve the options of a command from its flags, the environment and the job file.

    `flags`: values by parameter name; None or empty means not given. An option that is missing from `flags` does not
    exist in this command, and is not read from the environment either. `stored_job`: the job that the options override;
    `further_mistakes`: called with the values by field name if some of them are invalid, to find more mistakes.
    Raises `InputError` with all mistakes of all layers.
    """
    layers = _Layers()
    if stored_job is not None:
        layers.values |= stored_job.model_dump()
    environment = dict(_environment(flags, environ, layers.warnings))
    variable = environment.pop("config", None)
    files = [Path(path) for path in flags.get("config") or (variable[:1] if variable else ())]
    if len(files) > 1:
        layers.problems.append("-c: only one file can be read; put the options of all into one")
    for path in files:
        _add_file(path, layers)
    api, _ = environment.get("api", (layers.values.get("api"), ""))
    url_variable = dialect_named(flags.get("api") or api).base_url_variable
    if "base_url" in flags and environ.get(url_variable, "").strip():
        environment.setdefault("base_url", (environ[url_variable], url_variable))
    layers.begin_layer(environment)
    for name, (text, location) in environment.items():
        layers.set(name, text, location)
    options = given_options(flags, layers.problems)
    layers.begin_layer(options)
    for name, value in options.items():
        layers.set(name, value, option_name(name))
    layers.problems += unusable_input(flags.get("input"))
    job, run_flags = _build(layers, further_mistakes)
    if run_flags.fresh and layers.locations["fresh"] != option_name("fresh"):
        layers.warnings.append(
            f"{layers.locations['fresh']}: each time this command is run it starts anew and pays for every row again, "
            "also after an interruption; `batchrun resume` goes on instead"
        )
    return ResolvedCommand(job, run_flags, tuple(layers.warnings))


def _build(layers: _Layers, further_mistakes: Callable[[Mapping[str, object]], Sequence[str]]) -> tuple[Job, RunFlags]:
    values = layers.values
    job_values = {name: value for name, value in values.items() if name not in RUN_FLAGS}
    flag_values = {name: value for name, value in values.items() if name in RUN_FLAGS}
    job = layers.collect(lambda: build(Job, job_values, layers.location_of))
    run_flags = layers.collect(lambda: build(RunFlags, flag_values, layers.location_of))
    if layers.problems or job is None or run_flags is None:
        raise InputError(*dict.fromkeys([*layers.problems, *further_mistakes(job_values)]))
    return job, run_flags


def _add_file(path: Path, layers: _Layers) -> None:
    file = read_options(path.expanduser() if str(path).startswith("~/") else path)
    layers.begin_layer(file.values)
    for name, value in file.values.items():
        location = file.locations[name]
        if name in _OPTION_NAMES and name != "config":
            layers.set(name, value, location)
        elif isinstance(value, dict):
            suggestion = did_you_mean(name, ["param", "const", "type", "select"])
            layers.problems.append(f"{location}: unknown table{suggestion or '; options stand above all tables'}")
        else:
            where = location.rpartition(": ")[0]
            layers.problems.append(f"{where}: {unknown_option(name, _OPTION_NAMES)}")
    constants = file.values.get("const")
    for name in constants if isinstance(constants, dict) else ():
        option = name.replace("-", "_")
        if option in Job.model_fields and ("_" in option or option == "rps"):
            layers.warnings.append(
                f"{file.locations['const']}: {name} is an input of the workflow here, not the option; "
                "options stand above all tables"
            )


def _environment(
    command_options: Collection[str], environ: Mapping[str, str], warnings: list[str]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Name, text and variable of every option that is set in the environment. Empty variables are ignored."""
    variables = {name: text for name, text in sorted(environ.items()) if name.startswith(PREFIX) and text.strip()}
    for variable, text in variables.items():
        name = variable.removeprefix(PREFIX).lower()
        if name in REPEATED or name == "input":
            warnings.append(f"{variable} is not read: {name} is set on the command line or in a file")
        elif name not in _OPTION_NAMES or variable != variable.upper():
            suggestion = did_you_mean(name.upper(), [option.upper() for option in _OPTION_NAMES]).replace(
                "mean ", f"mean {PREFIX}"
            )
            token = f"; the token is {TOKEN_VARIABLE}" if "TOKEN" in variable.upper() else ""
            warnings.append(f"{variable} is not read: there is no option of this name{suggestion}{token}")
        elif name in command_options:
            yield name, (text, variable)
