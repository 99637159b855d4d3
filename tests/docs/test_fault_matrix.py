"""The fault matrix has every line, each test that it names exists, and its page is what was made of it."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.docs.fault_matrix import PAGE, SECTIONS, page
from tests.harness.faulty_network.answers import ANSWERS
from tests.harness.faulty_network.framing import FRAMING
from tests.harness.hostile_inputs import KINDS
from tests.harness.matrix import IDS, Fault
from tests.harness.parts import PARTS

FAULTS = [fault for faults in SECTIONS.values() for fault in faults]
CASES = {
    "network": {fault.name for fault in [*FRAMING, *ANSWERS]},
    "hostile_inputs": {name for cases in KINDS.values() for name in cases},
}
"""The named cases of parts of the harness."""


@cache
def names_of_tests(path: Path) -> set[str]:
    """The names of the tests in a file."""
    if not path.exists():
        return set()
    found = ast.walk(ast.parse(path.read_text("utf-8")))
    return {one.name for one in found if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")}


def exists(name: str) -> bool:
    """Whether there is such a test, part of the harness, or case of one."""
    file, _, test = name.partition("::")
    if test:
        return test in names_of_tests(Path(__file__).parents[1] / file)
    part, _, case = name.partition("/")
    return part in PARTS and (not case or case in CASES.get(part, ()))


def test_no_line_is_missing() -> None:
    assert [fault.id for fault in FAULTS] == [*IDS]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_each_line_is_held_by_tests_that_exist(fault: Fault) -> None:
    assert fault.tests
    assert [name for name in fault.tests if not exists(name)] == []


def test_a_test_that_does_not_exist_is_noticed() -> None:
    for name in ("engine/test_whole_jobs.py::test_no_such_test", "no_such_part", "network/no such case", "damage/any"):
        assert not exists(name)


def test_the_page_is_what_was_made_of_the_matrix() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m tests.docs.promises_page"
