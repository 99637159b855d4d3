"""`--require`: what is asked, whether it is met, and which rows do not meet it."""

from collections.abc import Sequence

import pytest

from batchrun.errors import InputError
from batchrun.scoring.comparison import Comparison
from batchrun.scoring.requirements import Requirement, Verdict, evaluate, parse_requirement
from tests.unit.scoring.score_tables import Row, compared


@pytest.mark.parametrize(
    ("text", "kind", "name", "bound", "variant"),
    [
        ("right>=0.9", "mean", "right", 0.9, None),
        (" right >= 1 ", "mean", "right", 1, None),
        ("right[model=a, level=[1]]>=.5", "mean", "right", 0.5, "model=a, level=[1]"),
        ("each right>=0.5", "each", "right", 0.5, None),
        ("missing right<=2%", "missing", "right", 0.02, None),
        ("missing right <= 0.5 %", "missing", "right", 0.005, None),
        ("no-worse right", "no-worse", "right", None, None),
        ("no-worse right by 0.02", "no-worse", "right", 0.02, None),
        ("our score>=-1e3", "mean", "our score", -1000, None),
    ],
)
def test_forms(text: str, kind: str, name: str, bound: float | None, variant: str | None) -> None:
    found = parse_requirement(text)
    assert (found.kind, found.name, found.bound, found.variant) == (kind, name, bound, variant)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "right",
        "right>0.9",
        "right>=good",
        "missing right<=2",
        "missing right<=101%",
        "missing right<=-1%",
        "no-worse",
        "no-worse right by -1",
        "right<=1",
    ],
)
def test_mistakes_in_a_form(text: str) -> None:
    with pytest.raises(InputError, match="--require"):
        evaluate(parse_requirement(text), {"right": compared([1, 1])}, "ab")


def judged(text: str, *rows: Row) -> Verdict:
    return evaluate(parse_requirement(text), {"right": compared(*rows)}, ["a", "b"])


TEN: Sequence[Row] = [[1, 1]] * 7 + [[1, 0], [0, 1], [1, None]]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("right>=0.8", {}),
        ("right>=0.9", {"b": [7]}),
        ("right[a]>=0.9", {}),
        ("right[b]>=0.9", {"b": [7]}),
        ("right>=0.95", {"a": [8], "b": [7]}),
        ("each right>=1", {"a": [8], "b": [7]}),
        ("each right>=0", {}),
        ("missing right<=10%", {}),
        ("missing right<=9%", {"b": [9]}),
        ("no-worse right", {}),
        ("no-worse right by 0.5", {}),
        ("no-worse right by 0.01", {"b": [7]}),
    ],
)
def test_what_is_met_and_which_rows_do_not_meet_it(text: str, rows: dict[str, list[int]]) -> None:
    verdict = judged(text, *TEN)
    assert verdict.rows == rows
    assert verdict.met is (not rows)
    assert verdict.line.startswith("met: " if verdict.met else "not met: ")
    assert text in verdict.line


def test_a_variant_that_is_worse() -> None:
    verdict = judged("no-worse right", *([1, 0] for _ in range(30)))
    assert not verdict.met
    assert verdict.rows == {"b": list(range(30))}
    assert "b: -1, 95 % from -1 to -0.7" in verdict.line


def test_each_is_of_the_mean_over_the_repeats() -> None:
    rows: Sequence[Row] = [[[1, 0, 1], [1, 1, None]], [[1, 1, 1], [0, 0, 1]]]
    assert judged("each right>=0.6", *rows).rows == {"b": [1]}
    assert judged("each right>=0.3", *rows).met


@pytest.mark.parametrize("text", ["right>=0.5", "each right>=0.5", "no-worse right by 0.5"])
def test_one_that_rests_on_few_rows_says_so(text: str) -> None:
    few: Sequence[Row] = [[1, 1]] * 94 + [[1, None]] * 6
    enough: Sequence[Row] = [[1, 1]] * 95 + [[1, None]] * 5
    assert judged(text, *few).line.endswith("It rests on 94 % of the rows under b")
    assert "rests" not in judged(text, *enough).line


@pytest.mark.parametrize("text", ["right>=0", "each right>=0", "no-worse right", "no-worse right by 1"])
def test_what_cannot_be_told_is_not_met(text: str) -> None:
    verdict = judged(text, [1, None], [1, None])
    assert not verdict.met
    assert list(verdict.rows) == ["b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rigth>=1", "no scorer 'rigth'. Did you mean 'right'"),
        ("f1>=1", "There is 'right'"),
        ("right[c]>=1", "no variant 'c'. There is 'a', 'b'"),
    ],
)
def test_names_that_are_not_there(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        judged(text, *TEN)


def test_the_mean_of_rounded_scores_meets_its_own_value() -> None:
    comparison: Comparison = compared(*([[0.1, 0.2, 0.3]] for _ in range(7)))
    requirement = Requirement("s>=0.2", "mean", "s", 0.2)
    assert evaluate(requirement, {"s": comparison}, ["a"]).met
