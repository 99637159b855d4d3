"""All undocumented parts of aiohttp that batchrun uses, by name.

`.ci/run` runs this with the lowest and with the newest aiohttp that `pyproject.toml` allows. The cap there may be
raised once this test and the other contract tests pass with the next version.
"""

import ast
import inspect
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import aiohttp
import pytest

from batchrun.adapters.http import aiohttp_internals

CALLS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "aiohttp:ClientRequest": (["method", "url"], {"headers": {}, "proxy": None, "proxy_headers": None, "loop": None}),
    "aiohttp:BaseConnector.connect": (["self", "request", "traces", "timeout"], {}),
    "aiohttp.client_proto:ResponseHandler.is_connected": (["self"], {}),
    "aiohttp.client_proto:ResponseHandler.set_response_params": (
        ["self"],
        {"read_until_eof": True, "auto_decompress": False, "read_bufsize": 65536},
    ),
    "aiohttp.client_proto:ResponseHandler.read": (["self"], {}),
    "aiohttp.client_proto:ResponseHandler._drain_helper": (["self"], {}),
}
"""Callables with their positional arguments (any value stands for each) and keyword arguments."""

NAMES = [
    "aiohttp.connector:Connection",
    "aiohttp.connector:Connection.protocol",
    "aiohttp.client_proto:ResponseHandler.should_close",
    "aiohttp.http:RawResponseMessage.code",
    "aiohttp.http:RawResponseMessage.headers",
    "aiohttp.http:RawResponseMessage.should_close",
    "aiohttp.http:HttpProcessingError",
]
"""Other classes and attributes."""

RECEIVER_CALLS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "aiohttp.web:Server.connection_lost": (["self", "handler", "error"], {}),
}
RECEIVER_NAMES = ["aiohttp.web:BaseRequest.protocol"]
"""Used by the callback receiver."""

DOCUMENTED = {
    "BaseConnector", "ClientTimeout", "StreamReader", "transport", "close", "abort", "write", "get_extra_info"
}  # fmt: skip
"""Documented interfaces of aiohttp and of asyncio's transports that `aiohttp_internals` uses."""

OTHERS = {"get_running_loop", "request", "sleep"}
"""Parts of the standard library and of its own classes that it uses."""


def found(name: str) -> Any:
    try:
        return resolve_name(name)
    except (ImportError, AttributeError):
        pytest.fail(f"aiohttp {aiohttp.__version__} has no {name}", pytrace=False)


@pytest.mark.parametrize("name", [*NAMES, *RECEIVER_NAMES])
def test_the_part_is_there(name: str) -> None:
    found(name)


@pytest.mark.parametrize(("name", "call"), [*CALLS.items(), *RECEIVER_CALLS.items()])
def test_the_part_takes_the_arguments_that_it_is_given(name: str, call: tuple[list[str], dict[str, Any]]) -> None:
    signature = inspect.signature(found(name))
    positional, keywords = call
    try:
        signature.bind(*positional, **keywords)
    except TypeError as error:
        problem = f"{name}{signature} of aiohttp {aiohttp.__version__} cannot be called as batchrun does: {error}"
        pytest.fail(problem, pytrace=False)


def test_every_part_that_is_used_is_named_here() -> None:
    tree = ast.parse(Path(aiohttp_internals.__file__).read_text())
    used = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            used.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("aiohttp."):
            used.update(alias.name for alias in node.names)
    named = {name.split(":")[1].split(".")[-1] for name in [*CALLS, *NAMES]}
    assert used == named | DOCUMENTED | OTHERS
