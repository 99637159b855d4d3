"""Runs the command with a dialect that is not part of batchrun. One entry registers it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.command import TIMEOUT, environment

_COMMAND = """
from batchrun.dialects import DIALECTS
from {module} import {name}

DIALECTS[{name}.name] = {name}()

from batchrun.cli.main import main

main()
"""


def batchrun_with(dialect: str, *arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command until it ends. `dialect`: the class, as in `package.module:Class`; `variables`: environment."""
    module, _, name = dialect.partition(":")
    env = environment(PYTHONPATH=os.fspath(Path(__file__).parents[2]), **variables)
    del env["BATCHRUN_API"]  # it names the documented API
    return subprocess.run(
        [sys.executable, "-c", _COMMAND.format(module=module, name=name), *map(str, arguments)],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
