"""The simulator's options in the form NAME=VALUE."""

from dataclasses import fields

import pytest

from batchrun.errors import InputError
from batchrun.simulator.faults import Fault
from batchrun.simulator.options import SimulatorOptions, describe_options, parse_options
from batchrun.simulator.run_duration import parse_duration


def test_without_options_the_defaults_apply() -> None:
    assert parse_options([]) == SimulatorOptions()


def test_each_type_of_value_is_parsed() -> None:
    options = parse_options(
        ["rps=2.5", "fail=5%", "any-workflow=YES", " latency = 0.2 ", "duration=normal:30,4", "fault=lost:id=1"]
    )
    assert (options.rps, options.fail, options.any_workflow, options.latency) == (2.5, 0.05, True, 0.2)
    assert str(options.duration) == "normal:30,4"
    assert list(map(str, options.fault)) == ["lost:id=1"]


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_options(
            ["fial=0.1", "rps", "rps=0", "slow=2", "latency=-1", "stuck=nan", "lost=1", "lost=1", "any_workflow=maybe",
             "duration=long", "fault=boom:id=1", "zzzz=1"]
        )  # fmt: skip
    problems = caught.value.problems
    for problem, word in zip(
        problems,
        ["did you mean 'fail'", "NAME=VALUE", "more than 0", "0 to 1", "0 or more", "0 to 1", "given twice",
         "true or false", "lognormal:MEDIAN,P95", "KIND:NAME=VALUE", "there are: any_workflow"],
        strict=True,
    ):  # fmt: skip
        assert word in problem


@pytest.mark.parametrize("text", ["error", "error:id", "error:=1", "nothing:id=1"])
def test_an_invalid_rule_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="error:id=17"):
        parse_options([f"fault={text}"])


def test_every_option_is_described_with_its_default() -> None:
    described = {name: (default, meaning) for name, default, meaning in describe_options()}
    assert list(described) == [option.name for option in fields(SimulatorOptions)]
    assert set(Fault) <= set(described)
    assert described["duration"][0] == "lognormal:1,3"
    assert described["rps"][0] == "no limit"
    assert described["any_workflow"][0] == "false"
    assert described["fault"][0] == "none"
    assert all(meaning for _, meaning in described.values())


def test_described_defaults_can_be_parsed_again() -> None:
    written = [f"{name}={default}" for name, default, _ in describe_options() if default not in {"no limit", "none"}]
    assert parse_options(written) == SimulatorOptions()


@pytest.mark.parametrize(
    ("text", "median", "p95"),
    [
        ("2", 2, 2),
        ("uniform:1,5", 3, 4.8),
        ("lognormal:20,75", 20, 75),
        ("normal:30,4", 30, 36.6),
        ("bimodal:3,120,0.2", 3, 120),
    ],
)
def test_a_distribution_has_its_stated_quantiles(text: str, median: float, p95: float) -> None:
    duration = parse_duration(text)
    drawn = sorted(duration.seconds(1, number) for number in range(4000))
    assert drawn[2000] == pytest.approx(median, rel=0.1)
    assert drawn[3800] == pytest.approx(p95, rel=0.1)
    assert str(duration) == text


def test_a_duration_is_never_negative() -> None:
    assert min(parse_duration("normal:1,5").seconds(1, number) for number in range(200)) == 0


@pytest.mark.parametrize(
    "text",
    ["", "-1", "nan", "inf", "1e300", "two", "1,2", "uniform:5,1", "uniform:1", "lognormal:0,3", "lognormal:9,3",
     "normal:1,-1", "bimodal:1,2,3", "bimodal:3,1,0.5", "gamma:1,2"],
)  # fmt: skip
def test_an_invalid_distribution_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_duration(text)
