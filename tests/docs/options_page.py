"""Writes the reference of all commands and options from their help: `python -m tests.docs.options_page`."""

from pathlib import Path

import click

from batchrun.cli.main import COMMANDS, cli

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
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        parent = click.Context(cli, info_name="batchrun")
        context = click.Context(command, info_name=name, parent=parent, terminal_width=80, max_content_width=80)
        parts.append(f"## {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
