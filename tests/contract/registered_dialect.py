"""Runs the command with a dialect that is not part of batchrun. One entry registers it."""

import importlib
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.support import command


def batchrun_with(dialect: str, *arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command until it ends. `dialect`: the class, as in `package.module:Class`; `variables`: environment."""
    env = command.environment(**variables)
    del env["BATCHRUN_API"]  # it names the documented API
    return command.batchrun(*arguments, cwd=cwd, env=env, before=partial(_run_with, dialect))


def _run_with(dialect: str) -> None:
    """Register the dialect before anything of batchrun is imported, then be the command."""
    for name in [name for name in sys.modules if name.partition(".")[0] in {"batchrun", "tests"}]:
        del sys.modules[name]
    module, _, name = dialect.partition(":")
    registered = getattr(importlib.import_module(module), name)
    importlib.import_module("batchrun.dialects").DIALECTS[registered.name] = registered()
    importlib.import_module("batchrun.cli.main").main()
