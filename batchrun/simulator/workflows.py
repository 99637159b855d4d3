"""The workflows that the simulator has ready."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from batchrun.simulator.faults import Inputs, as_text
from batchrun.simulator.penguin import MeasurementError, guess_species


class WorkflowError(Exception):
    """The run ends as failed, with the code WORKFLOW_EXECUTION_ERROR and this message."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """One workflow: pure functions of its inputs.

    `run` makes the outputs; it is also told how many POSTs with the same inputs came before, and raises
    `WorkflowError` to fail. `seconds` says how long the run takes where that is not left to the option `duration`.
    """

    description: str
    run: Callable[[Inputs, int], Mapping[str, object]]
    seconds: Callable[[Inputs], float | None] = lambda _inputs: None


def _echo(inputs: Inputs, _before: int) -> Mapping[str, object]:
    return {"echo": inputs}


def _penguin(inputs: Inputs, _before: int) -> Mapping[str, object]:
    try:
        return guess_species(inputs)
    except MeasurementError as error:
        raise WorkflowError(str(error)) from None


def _flaky(inputs: Inputs, before: int) -> Mapping[str, object]:
    if before == 0:
        raise WorkflowError("flaky fails whatever it is sent for the first time; send it again")
    return {"echo": inputs, "attempt": before + 1}


def _sleep_seconds(inputs: Inputs) -> float | None:
    try:
        seconds = float(as_text(inputs["seconds"]))
    except (KeyError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _sleepy(inputs: Inputs, _before: int) -> Mapping[str, object]:
    seconds = _sleep_seconds(inputs)
    if seconds is None:
        raise WorkflowError("the input 'seconds' must be a number, 0 or more")
    return {"slept": seconds}


ECHO = Workflow("gives its inputs back, to the letter", _echo)

WORKFLOWS: Mapping[str, Workflow] = {
    "echo": ECHO,
    "penguin": Workflow("guesses the species of a penguin from four measurements (samples/penguins.csv)", _penguin),
    "flaky": Workflow("fails the first time it is sent a row, and gives its inputs back from then on", _flaky),
    "sleepy": Workflow("takes as long as its input `seconds` says", _sleepy, _sleep_seconds),
}
"""The workflows by their id."""
