"""The built-in workflows of the simulator."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from batchrun.simulator.faults import Inputs, as_text
from batchrun.simulator.penguin_workflow import MEASUREMENTS, MeasurementError, guess_species


class WorkflowError(Exception):
    """The run fails with the code WORKFLOW_EXECUTION_ERROR and this message."""


@dataclass(frozen=True, slots=True)
class DeclaredInput:
    """An input as the service describes it."""

    type: str
    required: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True)
class Workflow:
    """One workflow: pure functions of its inputs.

    `outputs` computes the outputs from the inputs and the number of earlier POSTs with the same inputs; it raises
    `WorkflowError` if the run fails. `seconds` is the duration of the run; None: use the option `duration`.
    """

    description: str
    outputs: Callable[[Inputs, int], Mapping[str, object]]
    seconds: Callable[[Inputs], float | None] = lambda _inputs: None
    inputs: Mapping[str, DeclaredInput] | None = None
    """The declared inputs; None: the workflow takes any inputs and declares none."""
    version: str = "v0.0.1"


def _echo(inputs: Inputs, _earlier_posts: int) -> Mapping[str, object]:
    return {"echo": inputs}


def _penguin(inputs: Inputs, earlier_posts: int) -> Mapping[str, object]:
    try:
        return guess_species(inputs, earlier_posts)
    except MeasurementError as error:
        raise WorkflowError(str(error)) from None


def _flaky(inputs: Inputs, earlier_posts: int) -> Mapping[str, object]:
    if earlier_posts == 0:
        raise WorkflowError("flaky fails whatever it is sent for the first time; send it again")
    return {"echo": inputs, "attempt": earlier_posts + 1}


def _sleep_seconds(inputs: Inputs) -> float | None:
    try:
        seconds = float(as_text(inputs["seconds"]))
    except (KeyError, ValueError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _sleepy(inputs: Inputs, _earlier_posts: int) -> Mapping[str, object]:
    seconds = _sleep_seconds(inputs)
    if seconds is None:
        raise WorkflowError("the input 'seconds' must be a number, 0 or more")
    return {"slept": seconds}


def _file(inputs: Inputs, _earlier_posts: int) -> Mapping[str, object]:
    return {"received": inputs.get("file")}


ECHO = Workflow("gives its inputs back, to the letter", _echo)

WORKFLOWS: Mapping[str, Workflow] = {
    "echo": ECHO,
    "penguin": Workflow(
        "guesses the species of a penguin from four measurements (samples/penguins.csv)",
        _penguin,
        inputs={name: DeclaredInput("string") for name in MEASUREMENTS}  # a bird that was not measured has NA
        | {
            "use": DeclaredInput("string", required=False),
            "temperature": DeclaredInput("number", required=False),
            "strict": DeclaredInput("boolean", required=False),
        },
    ),
    "flaky": Workflow("fails the first time it is sent a row, and gives its inputs back from then on", _flaky),
    "file": Workflow(
        "gives back what stands for the file in its input `file`", _file, inputs={"file": DeclaredInput("file")}
    ),
    "sleepy": Workflow(
        "takes as long as its input `seconds` says", _sleepy, _sleep_seconds, {"seconds": DeclaredInput("number")}
    ),
}
"""The workflows by their id."""
