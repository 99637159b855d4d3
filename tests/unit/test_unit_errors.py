"""The tree of errors and its exit codes."""

import signal

import msgspec
import pytest

from batchrun.errors import (
    BatchrunError,
    BugError,
    ExitCode,
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


def test_the_exit_codes_are_the_contracts_in_its_order_of_precedence() -> None:
    in_order = [1, 74, 129, 130, 143, 4, 75, 2, 5, 3, 0]
    assert sorted(ExitCode, key=lambda code: code.precedence) == in_order


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_has_its_exit_code(number: signal.Signals, code: int) -> None:
    assert ExitCode.of_signal(number) == code
    assert [code for code in ExitCode if code.is_signal] == [129, 130, 143]


def test_an_exit_code_is_a_plain_number_to_programs_and_people() -> None:
    assert msgspec.json.encode({"exit_code": ExitCode.TRY_AGAIN}) == b'{"exit_code":75}'
    assert f"{ExitCode.TRY_AGAIN}" == "75"
