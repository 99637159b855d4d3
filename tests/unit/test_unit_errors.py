"""The tree of errors and its exit codes."""

import pytest

from batchrun.errors import (
    BatchrunError,
    BugError,
    IllegalTransitionError,
    InputError,
    JobBusyError,
    StorageError,
)


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (InputError("a"), 2),
        (JobBusyError("a"), 75),
        (StorageError("a"), 74),
        (BugError("a"), 1),
        (IllegalTransitionError("a"), 1),
    ],
)
def test_each_branch_has_its_exit_code(error: BatchrunError, exit_code: int) -> None:
    assert error.exit_code == exit_code
    assert str(error) == "a"


def test_an_input_error_is_one_line_a_mistake() -> None:
    error = InputError("one", "two")
    assert list(error.problems) == ["one", "two"]
    assert str(error) == "one\ntwo"
