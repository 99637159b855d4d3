"""Where options come from: a flag beats the environment, which beats the file, which beats the default."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from batchrun.app.job_file import read_options
from batchrun.cli.options import REPEATED, given
from batchrun.cli.run_flags import RUN_FLAGS, RunFlags
from batchrun.cli.usage_errors import odd_input
from batchrun.dialects import dialect_named
from batchrun.errors import InputError
from batchrun.job import TOKEN_SOURCES, TOKEN_VARIABLE, Job, option_name
from batchrun.validation import build, did_you_mean, unknown_option

_T = TypeVar("_T")
PREFIX = "BATCHRUN_"
_KNOWN = (*Job.model_fields, *RUN_FLAGS, "config")


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it is meant, from all layers."""

    job: Job
    run_flags: RunFlags
    warnings: Sequence[str]
    """What to tell before the work begins: options that are probably not what their author thinks."""


@dataclass(slots=True)
class _Layers:
    values: dict[str, Any] = field(default_factory=dict)
    locations: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def name(self, name: str) -> str:
        return self.locations.get(name) or option_name(name)

    def put(self, name: str, value: object, place: str) -> None:
        self.values[name] = value
        self.locations[name] = place

    def begin(self, names: Collection[str]) -> None:
        """A layer that sets these options is put on: its source of the token takes the place of another one below."""
        if any(name in names for name in TOKEN_SOURCES):
            for name in TOKEN_SOURCES:
                self.values.pop(name, None)

    def tried(self, attempt: Callable[[], _T]) -> _T | None:
        try:
            return attempt()
        except InputError as error:
            self.problems += error.problems
            return None


def resolve(
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    stored_job: Job | None = None,
    *,
    also: Callable[[Mapping[str, object]], Sequence[str]] = lambda _values: (),
) -> Command:
    """The command from its flags by parameter name (None or empty: not given), the environment and the file.

    An option that is not in `flags` at all is none of this command's: it is not taken from the environment either.
    `recorded`: the job to start from; `also`: what else is wrong with a job of these values by field name, asked only
    if some of them are wrong. Raises `InputError` with every mistake of all layers.
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
    shared = dialect_named(flags.get("api") or api).base_url_variable
    if "base_url" in flags and environ.get(shared, "").strip():
        environment.setdefault("base_url", (environ[shared], shared))
    layers.begin(environment)
    for name, (text, place) in environment.items():
        layers.put(name, text, place)
    options = given(flags, layers.problems)
    layers.begin(options)
    for name, value in options.items():
        layers.put(name, value, option_name(name))
    layers.problems += odd_input(flags.get("input"))
    job, run_flags = _built(layers, also)
    if run_flags.fresh and layers.locations["fresh"] != option_name("fresh"):
        layers.warnings.append(
            f"{layers.locations['fresh']}: each time this command is run it starts anew and pays for every row again, "
            "also after an interruption; `batchrun resume` goes on instead"
        )
    return Command(job, run_flags, tuple(layers.warnings))


def _built(layers: _Layers, also: Callable[[Mapping[str, object]], Sequence[str]]) -> tuple[Job, RunFlags]:
    values = layers.values
    of_job = {name: value for name, value in values.items() if name not in RUN_FLAGS}
    of_manner = {name: value for name, value in values.items() if name in RUN_FLAGS}
    job = layers.tried(lambda: build(Job, of_job, layers.name))
    run_flags = layers.tried(lambda: build(RunFlags, of_manner, layers.name))
    if layers.problems or job is None or run_flags is None:
        raise InputError(*dict.fromkeys([*layers.problems, *also(of_job)]))
    return job, run_flags


def _add_file(path: Path, layers: _Layers) -> None:
    file = read_options(path.expanduser() if str(path).startswith("~/") else path)
    layers.begin(file.values)
    for name, value in file.values.items():
        place = file.locations[name]
        if name in _KNOWN and name != "config":
            layers.put(name, value, place)
        elif isinstance(value, dict):
            pinned = did_you_mean(name, ["param", "const", "type", "select"])
            layers.problems.append(f"{place}: unknown table{pinned or '; options stand above all tables'}")
        else:
            where = place.rpartition(": ")[0]
            layers.problems.append(f"{where}: {unknown_option(name, _KNOWN)}")
    constants = file.values.get("const")
    for name in constants if isinstance(constants, dict) else ():
        option = name.replace("-", "_")
        if option in Job.model_fields and ("_" in option or option == "rps"):
            layers.warnings.append(
                f"{file.locations['const']}: {name} is an input of the workflow here, not the option; "
                "options stand above all tables"
            )


def _environment(
    offered: Collection[str], environ: Mapping[str, str], warnings: list[str]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Name, text and variable of every option that the environment sets; an empty variable sets nothing."""
    variables = {name: text for name, text in sorted(environ.items()) if name.startswith(PREFIX) and text.strip()}
    for variable, text in variables.items():
        name = variable.removeprefix(PREFIX).lower()
        if name in REPEATED or name == "input":
            warnings.append(f"{variable} is not read: {name} is set on the command line or in a file")
        elif name not in _KNOWN or variable != variable.upper():
            close = did_you_mean(name.upper(), [pinned.upper() for pinned in _KNOWN]).replace("mean ", f"mean {PREFIX}")
            token = f"; the token is {TOKEN_VARIABLE}" if "TOKEN" in variable.upper() else ""
            warnings.append(f"{variable} is not read: there is no option of this name{close}{token}")
        elif name in offered:
            yield name, (text, variable)
