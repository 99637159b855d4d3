"""The names of options: on the command line with dashes, in Python with underscores."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from batchrun.errors import InputError

_COMMANDS = "run|resume|retry|status|head|export|report|score|compare|check|history|init|simulate"
_SHELL = re.compile(rf"batchrun (?:{_COMMANDS})\b")
_OPTION = re.compile(r"(?<![\w-])(?:--([a-z]+(?:-[a-z]+)*)|-o\b|INPUT\b)|^DIR\b")
_IN_PYTHON = {"-o": "out", "INPUT": "input", "DIR": "folder", "--row": "rows", "--kind": "kinds"}


def option_name(field: str) -> str:
    """The command-line option of a field: `max_in_flight` is `--max-in-flight`."""
    return {"input": "INPUT", "out": "-o"}.get(field, f"--{field.replace('_', '-')}")


def in_python(message: str) -> str:
    """The message with the options as Python names them. A command for the shell at its end stays as it is."""
    command = _SHELL.search(message)
    end = len(message) if command is None else command.start()
    text = message[:end].replace("expected a table of names", "expected a dict of names")
    return _OPTION.sub(_python_name, text) + message[end:]


def _python_name(option: re.Match[str]) -> str:
    return _IN_PYTHON.get(option[0]) or option[1].replace("-", "_")


@contextmanager
def python_names() -> Iterator[None]:
    """Let mistakes that are found in the block name the options as Python does."""
    try:
        yield
    except InputError as error:
        raise InputError(*map(in_python, error.problems)) from None
