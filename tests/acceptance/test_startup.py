"""Commands answer at once: each imports no more than it needs."""

import subprocess
import sys

import pytest

HEAVY = ("pyarrow", "aiohttp", "rich", "jmespath", "jsonschema")
LIGHT = (*HEAVY, "pydantic", "msgspec", "asyncio", "sqlite3")
"""What the list of the commands, and the import of the package, do without as well."""

WITHOUT = f"""
import importlib, sys
from batchrun.cli.main import COMMANDS
for module in sys.argv[1:] or [f"batchrun.cli.{{name}}" for name in COMMANDS]:
    importlib.import_module(module)
print(*(name for name in {HEAVY} if name in sys.modules))
"""


def heavy(*modules: str) -> list[str]:
    """Which of the heavy libraries come with these modules, or with all commands."""
    command = [sys.executable, "-c", WITHOUT, *modules]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split()


@pytest.mark.parametrize(
    "statement",
    [
        "import batchrun",
        "from batchrun.cli.main import cli; cli.main(['--help'], standalone_mode=False)",
        "from batchrun.cli.main import cli; cli.main([], standalone_mode=False)",
    ],
)
def test_what_only_says_what_there_is_imports_next_to_nothing(statement: str) -> None:
    program = f"""
import contextlib, io, sys
with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
    {statement}
print(*(name for name in {LIGHT} if name in sys.modules), file=sys.stdout)
"""
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split() == []


def test_the_closing_words_of_a_command_need_no_engine() -> None:
    program = (
        "import sys, batchrun.views.closing_summary; print(*(n for n in ('asyncio', 'pydantic') if n in sys.modules))"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split() == []


def test_the_help_of_no_command_imports_a_heavy_library() -> None:
    assert heavy() == []


@pytest.mark.parametrize(("module", "needed"), [("batchrun.app.status", []), ("batchrun.app.head", ["pyarrow"])])
def test_who_only_reads_a_job_imports_no_more_than_that_takes(module: str, needed: list[str]) -> None:
    assert heavy(module) == needed
