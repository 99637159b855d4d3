"""The built-in workflows, and the sample files for them."""

import csv

import msgspec
import pyarrow.parquet as pq
import pytest

from batchrun.simulator.penguin_workflow import MEASUREMENTS, guess_species
from batchrun.simulator.workflows import WORKFLOWS
from tests.simulator.simulated import SAMPLES, Service

BIRD = {"bill_length_mm": "39.1", "bill_depth_mm": "18.7", "flipper_length_mm": "181", "body_mass_g": "3750"}


def _rows() -> list[dict[str, str]]:
    with (SAMPLES / "penguins.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_workflow_is_described() -> None:
    assert set(WORKFLOWS) >= {"echo", "penguin", "flaky", "sleepy"}
    assert all(workflow.description for workflow in WORKFLOWS.values())


def test_a_penguin_is_guessed_from_text_or_numbers() -> None:
    text = Service().finish(BIRD, "penguin")["outputs"]
    numbers = Service().finish({name: float(value) for name, value in BIRD.items()}, "penguin")["outputs"]
    assert text == numbers
    assert text["guess"] == "Adelie"
    assert 0.9 < text["confidence"] <= 1
    assert "Adelie" in text["note"]


@pytest.mark.parametrize("missing", ["NA", "", " ", None])
def test_a_bird_that_was_not_fully_measured_gets_no_guess(missing: object) -> None:
    run = Service().finish({**BIRD, "body_mass_g": missing}, "penguin")
    assert run["status"] == "completed"
    assert run["outputs"] == {"guess": None, "confidence": 0.0, "note": "not measured: body_mass_g"}


@pytest.mark.parametrize("wrong", ["heavy", "nan", "inf", [1], True, {}])
def test_a_measurement_that_is_not_a_number_fails_the_run(wrong: object) -> None:
    run = Service().finish({**BIRD, "body_mass_g": wrong}, "penguin")
    assert run["status"] == "failed"
    assert run["error"]["code"] == "WORKFLOW_EXECUTION_ERROR"
    assert "body_mass_g is not a number" in run["error"]["message"]


def test_all_missing_measurements_are_reported_together() -> None:
    message = Service().finish({}, "penguin")["error"]["message"]
    assert all(f"the input {name} was not sent" in message for name in MEASUREMENTS)


def test_most_penguins_of_the_sample_are_guessed_right() -> None:
    measured = [row for row in _rows() if row["body_mass_g"] != "NA"]
    assert len(measured) == 342
    correct = 0
    for row in measured:
        inputs = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in row.items()}
        correct += guess_species(inputs)["guess"] == row["species"]
    assert correct / len(measured) > 0.9


def test_flaky_fails_the_first_time_only() -> None:
    service = Service("duration=0")
    assert [service.finish({"id": 1}, "flaky")["status"] for _ in range(3)] == ["failed", "completed", "completed"]
    assert service.finish({"id": 2}, "flaky")["status"] == "failed"


@pytest.mark.parametrize("seconds", [3, "3", 3.0])
def test_sleepy_takes_the_given_number_of_seconds(seconds: object) -> None:
    service = Service("duration=100")
    run_id = service.submit({"seconds": seconds}, "sleepy")
    service.clock.advance(2.999)
    assert service.poll_ok(run_id)["status"] == "running"
    service.clock.advance(0.001)
    assert service.poll_ok(run_id)["outputs"] == {"slept": 3}


@pytest.mark.parametrize("inputs", [{}, {"seconds": "long"}, {"seconds": -1}, {"seconds": "inf"}, {"seconds": None}])
def test_sleepy_fails_without_a_valid_duration(inputs: dict[str, object]) -> None:
    assert "seconds" in Service().finish(inputs, "sleepy")["error"]["message"]


def test_the_two_samples_hold_the_same_rows() -> None:
    text = _rows()
    typed = pq.read_table(SAMPLES / "penguins.parquet").to_pylist()
    assert len(text) == len(typed) == len({row["id"] for row in text}) == 344
    assert text[0]["id"] == "PAL0708-Adelie-1"
    for row, typed_row in zip(text, typed, strict=True):
        assert list(row) == list(typed_row)
        assert row == {name: _written(value) for name, value in typed_row.items()}


def _written(value: object) -> str:
    return "NA" if value is None else str(value).removesuffix(".0")
