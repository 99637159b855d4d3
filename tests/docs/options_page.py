"""Writes the reference of all commands and options from their help: `python -m tests.docs.options_page`."""

from pathlib import Path

from batchrun.cli.main import COMMANDS
from tests.support.command import batchrun, environment

PAGE = Path(__file__).parents[2] / "docs" / "options.md"

_HEAD = """# Commands and options

This page is what `--help` prints. Each option can also be set in the environment (`BATCHRUN_MAX_IN_FLIGHT=200`, not for
repeatable options) or in a TOML file (`-c job.toml` with `max-in-flight = 200`). A flag takes precedence over the
environment, which takes precedence over the file. Paths in a file are relative to it; repeatable options are lists
(`skip`) and tables (`[param]`). `batchrun init` writes a file to start from.
"""


def page() -> str:
    """The page as it should be."""
    parts = [_HEAD]
    for name in COMMANDS:
        shown = batchrun(name, "--help", cwd=PAGE.parent, env=environment(COLUMNS="80")).stdout
        parts.append(f"## {name}\n\n```text\n{shown}```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
