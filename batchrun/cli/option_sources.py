"""Merges the sources of options: flags override the environment, which overrides the file, which overrides defaults."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from batchrun.app.job_file import read_options
from batchrun.cli.options import REPEATED, given_options
from batchrun.cli.run_flags import RUN_FLAGS, RunFlags
from batchrun.dialects import dialect_named
from batchrun.errors import InputError
from batchrun.job import Job
from batchrun.options.names import option_name
from batchrun.options.service import TOKEN_SOURCES, TOKEN_VARIABLE
from batchrun.options.validation import build, did_you_mean, unknown_option

_T = TypeVar("_T")
PREFIX = "BATCHRUN_"
_ENTRIES = {
    "param": "an input of the workflow",
    "rename": "an input of the workflow",
    "const": "an input of the workflow",
    "type": "a column",
    "select": "a column",
    "ext": "text for the service",
}
TABLES = tuple(_ENTRIES)
_OPTION_NAMES = (*Job.model_fields, *RUN_FLAGS, "config")


@dataclass(frozen=True, slots=True)
class ResolvedCommand:
    """The options of a command, merged from all sources."""

    job: Job
    run_flags: RunFlags
    warnings: Sequence[str]
    """Warnings about options that probably do not do what the user expects."""
    locations: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Where each option was set: the option itself, a variable, or a line of a file."""

    @contextmanager
    def located(self) -> Iterator[None]:
        """Let mistakes that are found in the block begin with the place where the option was set."""
        try:
            yield
        except InputError as error:
            raise InputError(*_located(error.problems, self.locations)) from None


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
    job, run_flags = _build(layers, further_mistakes)
    if run_flags.fresh and layers.locations["fresh"] != option_name("fresh"):
        layers.warnings.append(
            f"{layers.locations['fresh']}: each time this command is run it starts anew and pays for every row again, "
            "also after an interruption; `batchrun resume` goes on instead"
        )
    if job.simulate and layers.locations.get("base_url") == option_name("base_url"):
        layers.warnings.append(f"--base-url {job.base_url} has no effect with --simulate: nothing is sent there")
    return ResolvedCommand(job, run_flags, tuple(layers.warnings), layers.locations)


def _located(problems: Iterable[str], locations: Mapping[str, str]) -> list[str]:
    """The problems, each after the file and line, or the variable, that set the option with which it begins."""
    places = {option_name(field): location for field, location in locations.items() if location != option_name(field)}
    located = []
    for problem in problems:
        option = re.match(r"--?[a-z-]+", problem)
        place = places.get(option[0]) if option is not None else None
        located.append(problem if place is None else f"{place.rpartition(': ')[0] or place}: {problem}")
    return located


def _build(layers: _Layers, further_mistakes: Callable[[Mapping[str, object]], Sequence[str]]) -> tuple[Job, RunFlags]:
    values = layers.values
    job_values = {name: value for name, value in values.items() if name not in RUN_FLAGS}
    flag_values = {name: value for name, value in values.items() if name in RUN_FLAGS}
    job = layers.collect(lambda: build(Job, job_values, layers.location_of))
    run_flags = layers.collect(lambda: build(RunFlags, flag_values, layers.location_of))
    if layers.problems or job is None or run_flags is None:
        further = _located(further_mistakes(job_values), layers.locations)
        raise InputError(*dict.fromkeys([*layers.problems, *further]))
    return job, run_flags


def _add_file(path: Path, layers: _Layers) -> None:
    file = read_options(path.expanduser() if str(path).startswith("~/") else path)
    layers.begin_layer(file.values)
    for name, value in file.values.items():
        location = file.locations[name]
        if name in _OPTION_NAMES and name != "config":
            layers.set(name, value, location)
        elif isinstance(value, dict):
            _add_unknown_table(name, value, location, layers)
        else:
            where = location.rpartition(": ")[0]
            layers.problems.append(f"{where}: {unknown_option(name, _OPTION_NAMES)}")
    for table in TABLES:
        entries = file.values.get(table)
        if isinstance(entries, dict):
            layers.values[table] = _without_options(table, entries, file.locations[table], layers)


def _without_options(table: str, entries: Mapping[str, Any], location: str, layers: _Layers) -> dict[str, Any]:
    """The entries of a table, without those that must be options. Those that may be options are warned of."""
    kept = dict(entries)
    for name, value in entries.items():
        option = name.replace("-", "_")
        if option in Job.model_fields and ("_" in option or option == "rps"):
            text = f"{location}: {name} is {_ENTRIES[table]} here, not the option; options stand above all tables"
            if table == "const" or isinstance(value, str):
                layers.warnings.append(text)
            else:  # it cannot be meant
                layers.problems.append(text)
                del kept[name]
    return kept


def _add_unknown_table(name: str, table: Mapping[str, Any], location: str, layers: _Layers) -> None:
    """Report a table that is none of ours. If it holds options, they are read, so that they are not said to lack."""
    options = {entry: value for entry, value in table.items() if entry.replace("-", "_") in _OPTION_NAMES}
    suggestion = "" if options else did_you_mean(name, TABLES)
    advice = suggestion or "; options stand above all tables" + (f", so remove the line [{name}]" if options else "")
    layers.problems.append(f"{location}: unknown table{advice}")
    for entry, value in options.items():
        layers.set(entry.replace("-", "_"), value, f"{location}.{entry}")


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
            if "TOKEN" in variable.upper():
                other = f" ({suggestion.removeprefix('; ')})" if suggestion else ""
                suggestion = f"{other}; the token is {TOKEN_VARIABLE}"
            warnings.append(f"{variable} is not read: there is no option of this name{suggestion}")
        elif name in command_options:
            yield name, (text, variable)
