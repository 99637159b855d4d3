"""How a scorer is written: on the command line and in the job file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.errors import InputError
from batchrun.scoring.specs import (
    Column,
    Number,
    PythonFunction,
    ScorerSpec,
    Target,
    Text,
    parse_score,
    parse_score_table,
)


@pytest.mark.parametrize(
    ("option", "kind", "expression", "target"),
    [
        ("s=exact:answer:expected", "exact", "answer", Column("expected")),
        ("s=exact::expected", "exact", "", Column("expected")),
        ("s=contains:a.b[0]:'x: y'", "contains", "a.b[0]", Text("x: y")),
        ("s=exact:a:''", "exact", "a", Text("")),
        ("s=exact:a:'it's'", "exact", "a", Text("it's")),
        ("s=exact:a:'''", "exact", "a", Text("'")),
        ("s=exact:[?k=='a'].v | [0]:label", "exact", "[?k=='a'].v | [0]", Column("label")),
        ("s=exact:{a: x, b: y}:label", "exact", "{a: x, b: y}", Column("label")),
        ("s=exact:{a: 'x'}:'y'", "exact", "{a: 'x'}", Text("y")),
        ("s=number~0.01:price:9.5", "number~0.01", "price", Number(9.5)),
        ("s=number:price:-3", "number", "price", Number(-3)),
        ("s=exact:zip:007", "exact", "zip", Column("007")),
        ("s=exact:a==b:c", "exact", "a==b", Column("c")),
        ("s=value:score", "value", "score", None),
        ("s=value:{a: b}.a", "value", "{a: b}.a", None),
        ("s=value:", "value", "", None),
        ("s=value", "value", "", None),
        ("s=python:a:my/score.py:judge", "python", "a", PythonFunction("my/score.py", "judge")),
        ("s=python::score.py:judge", "python", "", PythonFunction("score.py", "judge")),
        ("s=python:{a: b}:score.py:judge", "python", "{a: b}", PythonFunction("score.py", "judge")),
        ('正确=exact:"答案":标签', "exact", '"答案"', Column("标签")),
    ],
)  # fmt: skip
def test_where_kind_expression_and_target_begin(option: str, kind: str, expression: str, target: Target | None) -> None:
    spec = parse_score(option)
    assert spec == ScorerSpec(option.partition("=")[0], kind, expression, target)
    assert spec.target_columns == ((target.name,) if isinstance(target, Column) else ())
    assert parse_score_table(spec.name, spec.as_table()) == spec


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("exact:a:b", "expected NAME=KIND:EXPR:TARGET"),
        ("s=", "expected NAME=KIND:EXPR:TARGET"),
        ("=exact:a:b", "the name of a scorer"),
        ("a>=b=exact:a:b", "there is no kind"),
        ("a[b]=exact:a:b", "the name of a scorer"),
        ("variant=exact:a:b", "has a column 'variant' already"),
        ("s=exakt:a:b", "Did you mean exact?"),
        ("s=exact:expected", "s=exact::expected"),
        ("s=exact:a:", "TARGET is empty"),
        ("s=exact:a:'b", "the quote is not closed"),
        ("s=exact::'", "the quote is not closed"),
        ("s=exact:a[:b", "EXPR 'a['"),
        ("s=exact:lenght(a):b", "did you mean length()?"),
        ("s=regex:a:'('", "is not a regular expression"),
        ("s=value:a:b", "kind value has no TARGET"),
        ("s=number:a:'many'", "is not a number"),
        ("s=number~:a:b", "expected a tolerance"),
        ("s=number~-1:a:b", "expected a tolerance"),
        ("s=number~nan:a:b", "expected a tolerance"),
        ("s=exact~1:a:b", "only number has a tolerance"),
        ("s=python:judge.py:f", "s=python::judge.py:f"),
        ("s=python:a:judge:f", "scorers.py:judge"),
        ("s=python:a:judge.py:1f", "scorers.py:judge"),
    ],
)
def test_mistakes_say_what_where_and_what_to_do(option: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_score(option)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"--score {option!r}")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "kind is missing"),
        ({"kind": "exact"}, "expected: give a column"),
        ({"kind": "exact", "expected": True}, "expected: give a column"),
        ({"kind": "exact", "expected": "a", "ouput": "b"}, "no 'ouput'"),
        ({"kind": "exact", "expected": "a", "output": 1}, "expected a JMESPath expression"),
        ({"kind": "value", "expected": "a"}, "has no target"),
        ({"kind": "exact", "expected": "'a"}, "the quote is not closed"),
        ({"kind": "numbr", "expected": "a"}, "Did you mean number?"),
    ],
)
def test_mistakes_in_the_job_file(table: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_score_table("right", table)
    assert said in str(caught.value)
    assert str(caught.value).startswith("[score.right]")


def test_a_table_may_have_a_number_and_no_output() -> None:
    assert parse_score_table("s", {"kind": "number", "expected": 0.5}) == parse_score("s=number::0.5")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TARGETS = st.one_of(
    TEXT.filter(lambda text: ":'" not in f":'{text}"[1:] + "'").map(Text),
    st.integers(-(10**18), 10**18).map(Number),
    st.floats(allow_nan=False, allow_infinity=False).map(Number),
)


@given(st.sampled_from(["", "a", "a.b", "[?a=='x:y']", "{a: b}", "@"]), TARGETS)
def test_a_scorer_is_read_as_it_is_written(expression: str, target: Target) -> None:
    spec = ScorerSpec("s", "exact", expression, target)
    assert parse_score(spec.text) == spec
    assert parse_score_table("s", spec.as_table()) == spec


@given(st.text(max_size=30))
def test_every_text_is_a_scorer_or_a_mistake(text: str) -> None:
    for option in (text, f"s=exact:{text}", f"s=number~{text}", f"s=python:{text}"):
        try:
            parse_score(option)
        except InputError as error:
            assert str(error)
