"""Inputs that are sent against those that a workflow declares."""

from batchrun.domain.preflight import Comparison, compare_inputs
from batchrun.domain.workflow_info import DeclaredInput

TEXT = DeclaredInput("string", required=True)
OPTIONAL = DeclaredInput("string")


def test_what_agrees_is_neither_an_error_nor_a_warning() -> None:
    assert compare_inputs({"text": TEXT, "model": TEXT}, {"text": "review"}, ["model"]) == Comparison()
    assert compare_inputs({"text": TEXT, "tone": OPTIONAL}, {"text": "text"}, []) == Comparison()


def test_a_required_input_that_is_not_sent_is_an_error_unless_it_has_a_default() -> None:
    (error,) = compare_inputs({"text": TEXT}, {}, []).errors
    assert "'text' (string)" in error
    assert "--rename text=COLUMN" in error
    assert compare_inputs({"n": DeclaredInput("integer", required=True, default="3")}, {}, []).errors == ()


def test_a_misspelt_column_is_one_error_that_says_how_to_send_it() -> None:
    found = compare_inputs({"sentence": TEXT}, {"sentance": "sentance"}, [])
    assert found.warnings == ()
    (error,) = found.errors
    assert "did you mean 'sentence'? Use --rename sentence=sentance" in error


def test_a_column_that_needs_no_other_name_is_told_to_keep_its_own() -> None:
    (error,) = compare_inputs({"length": TEXT}, {"len": "length"}, []).errors
    assert error == (
        "input 'len' (column 'length'): the workflow has no input 'len'; did you mean 'length'? "
        "Leave out --rename len=length"
    )
    (error,) = compare_inputs({"length": TEXT}, {"len": "length"}, [], renaming="--param").errors
    assert "Use --param length=length" in error
    (error,) = compare_inputs({"a long name": TEXT}, {"a long nam": "a long nam"}, []).errors
    assert error.endswith("Use --rename 'a long name=a long nam'")


def test_a_misspelt_constant_is_an_error() -> None:
    (error,) = compare_inputs({"model": OPTIONAL}, {}, ["modle"]).errors
    assert "--const modle" in error
    assert "--const model=…" in error


def test_text_for_declared_numbers_and_booleans_gets_a_type() -> None:
    declared = {"n": DeclaredInput("Integer"), "x": DeclaredInput("number"), "b": DeclaredInput("boolean"), "t": TEXT}
    sent = {name: name for name in declared}
    assert compare_inputs(declared, sent, [], sent).types == {"n": "int", "x": "float", "b": "bool"}
    assert compare_inputs(declared, sent, [], ["t", "x"]).types == {"x": "float"}


def test_a_column_for_two_inputs_of_different_types_stays_text() -> None:
    declared = {"n": DeclaredInput("integer"), "t": TEXT, "m": DeclaredInput("integer")}
    assert compare_inputs(declared, {"n": "c", "t": "c"}, [], ["c"]).types == {}
    assert compare_inputs(declared, {"n": "c", "m": "c"}, [], ["c"]).types == {"c": "int"}


def test_an_extra_column_is_a_warning() -> None:
    found = compare_inputs({"text": TEXT}, {"text": "text", "id": "id"}, [])
    assert found.errors == ()
    assert found.warnings == (
        "column 'id': the workflow declares no input 'id'; it is sent all the same; --skip id leaves it out",
    )


def test_extra_columns_are_one_warning() -> None:
    (warning,) = compare_inputs({"text": TEXT}, {"text": "text", "id": "id", "a b": "a b"}, []).warnings
    assert warning == (
        "column 'id', column 'a b': the workflow declares no inputs of these names; they are sent all the same; "
        "--skip id --skip 'a b' leaves them out"
    )
    (warning,) = compare_inputs({"text": TEXT}, {"text": "text", "id": "id", "a": "a b"}, ["c"]).warnings
    assert warning == (
        "column 'id', input 'a' (column 'a b'), --const c: the workflow declares no inputs of these names; they are "
        "sent all the same; --skip id leaves that column out"
    )
    many = {f"c{number}": f"c{number}" for number in range(60)}
    (warning,) = compare_inputs({"text": OPTIONAL}, many, []).warnings
    assert "column 'c49' and 10 more: " in warning
    assert warning.endswith("; --param NAME=COLUMN, once for each input, sends no other columns")


def test_a_job_with_params_is_advised_to_use_params() -> None:
    found = compare_inputs({"text": TEXT}, {"txt": "txt", "id": "id"}, [], renaming="--param")
    assert found.errors[0].endswith("Use --param text=txt")
    assert found.warnings[0].endswith("; without its --param a column is not sent")
