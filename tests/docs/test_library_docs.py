"""Everything public says what it is: functions, classes, methods, properties, and every field."""

import ast
import inspect
import re
from collections.abc import Iterator
from enum import Enum

import msgspec
import pytest
from pydantic import BaseModel

import batchrun
from batchrun.cli.main import COMMANDS
from batchrun.options.names import in_python

PUBLIC = {name: getattr(batchrun, name) for name in batchrun.__all__ if name != "__version__"}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if inspect.isfunction(value)}


def _own_classes(cls: type) -> Iterator[type]:
    return (base for base in cls.__mro__ if base.__module__.startswith("batchrun."))


def _described(cls: type) -> set[str]:
    """The attributes of a class body that are followed by a description of their own."""
    (body,) = [node for node in ast.parse(inspect.getsource(cls)).body if isinstance(node, ast.ClassDef)]
    return {
        ast.unparse(target)
        for node, after in zip(body.body, body.body[1:], strict=False)
        if isinstance(node, ast.AnnAssign | ast.Assign)
        for target in ([node.target] if isinstance(node, ast.AnnAssign) else node.targets)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str)
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_in_a_description_stays_as_the_shell_has_it(name: str) -> None:
    assert in_python(f"--max-in-flight; see batchrun {name} --help") == f"max_in_flight; see batchrun {name} --help"


def test_nothing_public_is_neither_class_nor_function() -> None:
    assert set(PUBLIC) == set(CLASSES) | set(FUNCTIONS)
    assert batchrun.__all__ == sorted(batchrun.__all__, key=lambda name: (not name[0].isupper(), name))
    assert set(dir(batchrun)) == set(batchrun.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_means_raises_and_how_it_is_called(name: str) -> None:
    text = inspect.getdoc(FUNCTIONS[name]) or ""
    assert f"batchrun.{name}(" in text, "an example"
    assert "InputError" in text
    signature = inspect.signature(FUNCTIONS[name])
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty
    twin = FUNCTIONS.get(f"a{name}")
    told = text + (inspect.getdoc(twin) or "" if twin else "") + (inspect.getdoc(batchrun.arun) or "")
    for parameter in signature.parameters.values():
        assert re.search(rf"`{parameter.name}`", told), parameter.name


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_says_what_it_and_each_of_its_parts_is(name: str) -> None:
    cls = CLASSES[name]
    for owner in _own_classes(cls):
        assert owner.__doc__ or owner.__name__.startswith("_")
        for member, value in vars(owner).items():
            if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                assert inspect.getdoc(value), f"{owner.__name__}.{member}"
    if issubclass(cls, BaseModel):
        undescribed = {field for field, info in cls.model_fields.items() if not info.description}
    elif issubclass(cls, Enum):
        undescribed = set(cls.__members__) - _described(cls)
    else:
        described = set().union(*map(_described, _own_classes(cls)))
        names = "__struct_fields__" if issubclass(cls, msgspec.Struct) else "__dataclass_fields__"
        undescribed = set(getattr(cls, names, ())) - described
    assert not undescribed
