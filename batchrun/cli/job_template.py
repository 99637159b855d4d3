"""The job file of `batchrun init`: every option with its description, generated from the fields of `Job`."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import tomli_w
from pydantic.fields import FieldInfo

from batchrun.cli.option_groups import SECTIONS
from batchrun.cli.options import METAVARS, shown_default
from batchrun.cli.run_flags import RUN_FLAGS
from batchrun.dialects import DIALECTS, UNSETTLED
from batchrun.job import Job

TABLES = ("param", "rename", "const", "type", "select", "ext", "vary", "score", "variant")

EXCLUDED = frozenset({"fresh", "dry_run", "rows", *TABLES})
"""Options that have no line of their own: tables come last, and `fresh` would pay for every row on each run."""

EXAMPLES: Mapping[str, Any] = {
    "workflow_id": "7412345678901234567", "base_url": DIALECTS[UNSETTLED].default_base_url,
    "bot_id": "7412345678901234568", "app_id": "7412345678901234569", "workflow_version": "v0.0.5", "plan": "team",
    "sim": ["duration=2", "fail=0.05"],
    "token_file": "~/.coze-token", "token_command": "pass show coze",
    "oauth_config": "coze_oauth_config.json",
    "schema": "inputs.schema.json",
    "log_file": "batchrun.log", "ca_file": "ca.pem", "input": "rows.csv", "format": "csv", "delimiter": ";",
    "skip": ["notes"], "file": ["picture"], "file_root": "pictures",
    "key": "id", "limit": 100, "total_rps": 50, "share_limits": "coze",
    "workers": 4, "ray": "auto", "max_connections": 100, "max_in_flight": 200,
    "max_polls": 100, "callback_url": "https://jobs.example.com/batchrun", "callback_listen": "127.0.0.1:8080",
    "request_timeout": 30, "max_runtime": "5h", "max_failures": "5%", "max_submissions": 1000,
    "max_tokens": 1000000, "out": "rows-run",
    "reuse": "earlier-run", "checkpoint_dir": "/var/tmp/rows", "seed": 1,
    "param": {"text": "review"}, "rename": {"text": "review"}, "const": {"model": "fast"}, "type": {"price": "float"},
    "select": {"grade": "result.grade"}, "ext": {"user_id": "me"},
    "vary": {"model": ["small", "large"]}, "variant": [{"name": "short"}],
    "score": {"right": "exact:answer:expected"}, "cluster": "customer", "repeat": 3, "sample": 100,
}  # fmt: skip
"""A value for every option without a default."""

EXAMPLE = "  # for example"

HEAD = """
# A job of batchrun: `batchrun run -c FILE` starts it, and resumes it after whatever happened.
# With --simulate it is a rehearsal: no account, no cost. Paths are relative to this file.
# A flag takes precedence over the environment (BATCHRUN_MAX_IN_FLIGHT=200), and that over this file.
#
# Uncomment a line to set an option. A line shows its default, unless it ends with `# for example`.
"""


def job_template(given: Mapping[str, str]) -> str:
    """The text of a job file. The options in `given` are set, all others are commented out."""
    blocks = [HEAD.strip()]
    sections = {heading: [name for name in names if name not in EXCLUDED] for heading, names in SECTIONS.items()}
    for heading, names in (sections | {"Tables: they stand below all options": [*TABLES]}).items():
        blocks.append(f"# ---- {heading} ----")
        blocks += [_block(name, given) for name in names]
    return "\n\n".join(blocks) + "\n"


def _block(name: str, given: Mapping[str, str]) -> str:
    info = RUN_FLAGS.get(name) or Job.model_fields[name]
    option = name.replace("_", "-")
    description = fill(info.description or "", 100, initial_indent="# ", subsequent_indent="# ")
    if name in given:
        return f"{description}\n{_line(option, given[name])}"
    example = EXAMPLES.get(name)
    if isinstance(example, dict):
        inner = [f"#{_line(key, value)}{EXAMPLE}" for key, value in example.items()]
        return "\n".join([description, f"#[{option}]", *inner])
    if isinstance(example, list) and isinstance(example[0], dict):
        inner = [f"#{_line(key, value)}{EXAMPLE}" for key, value in example[0].items()]
        return "\n".join([description, f"#[[{option}]]", *inner])
    default = _default(name, info)
    lines = [] if default is None else [f"#{_line(option, default)}"]
    lines += [] if example is None else [f"#{_line(option, example)}{EXAMPLE}"]
    return "\n".join([description, *lines])


def _default(name: str, info: FieldInfo) -> Any:
    default = None if info.is_required() else info.default
    if default is not None and METAVARS.get(name) == "DURATION":
        return shown_default(name, default)
    return int(default) if isinstance(default, float) and default.is_integer() else default


def _line(option: str, value: object) -> str:
    """`name = value` in TOML, on one line."""
    if isinstance(value, list):
        return f"{option} = [{', '.join(_line('', item).removeprefix(' = ') for item in value)}]"
    if isinstance(value, dict):
        inner = ", ".join(_line(name, item) for name, item in value.items())
        return f"{option} = {{{inner}}}"
    return tomli_w.dumps({option or "x": value}).strip().removeprefix("" if option else "x")
