"""The file names of a run directory are defined in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import batchrun
from batchrun.domain import filenames

NAMES = [value for name, value in vars(filenames).items() if name.isupper() and isinstance(value, str)]


def texts(module: ast.Module) -> Iterator[str]:
    """All string literals of a module except docstrings."""
    docstrings = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_other_module_spells_the_name_of_a_file() -> None:
    package = Path(batchrun.__file__).parent
    spelled = {
        f"{path.relative_to(package)}: {name}"
        for path in package.rglob("*.py")
        for text in texts(ast.parse(path.read_text()))
        for name in (*NAMES, "-wal", "-shm")
        if name in text
    }
    home = f"domain/{Path(filenames.__file__).name}"
    assert spelled == {f"{home}: {name}" for name in (*NAMES, "-wal", "-shm")}
