"""Loads the functions of `python` scorers. Only `run`, `resume`, `retry` and `score` execute them."""

import importlib.util
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from batchrun.errors import InputError
from batchrun.scoring.specs import PythonFunction


def load_python(target: PythonFunction) -> Callable[[object, dict[str, object]], object]:
    """Load a function. Raises `InputError` if the file cannot be executed or has no such function."""
    path = Path(target.file)
    spec = importlib.util.spec_from_file_location(f"batchrun_scorer_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InputError(f"--score: {path}: no such file of Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses, pickle and others look there for the module of a class
    try:
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code
        raise InputError(f"--score: {path}: cannot be loaded: {type(error).__name__}: {error}") from None
    function: Any = getattr(module, target.function, None)
    if not callable(function):
        raise InputError(f"--score: {path}: has no function {target.function!r}")
    return function  # type: ignore[no-any-return]  # any callable
