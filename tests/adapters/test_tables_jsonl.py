"""JSONL: values are sent unchanged, columns come from all rows, and every problem is reported with its line."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from batchrun.adapters.tables import Source, inspect, open_table
from batchrun.domain.states import State
from batchrun.errors import InputError
from tests.adapters.sent import inputs, opened, results, texts


def written(folder: Path, content: str | bytes, name: str = "in.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path, **options: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        opened(path, **options)
    return [problem.removeprefix(f"{path}: ") for problem in caught.value.problems]


def test_values_are_sent_to_the_letter_and_absent_keys_are_not_sent(tmp_path: Path) -> None:
    lines = [
        '{"n":12345678901234567890123,"x":1.10,"t":"2024-01-02T03:04:05","o":{"a":[1, 2]}}',
        '{"x":1e5,"n":null,"t":"é"}',
        "{}",
        '{"new":true}',
    ]
    table = opened(written(tmp_path, "\n".join([lines[0], "", *lines[1:]])))
    assert table.columns == ("n", "x", "t", "o", "new")
    assert texts(table) == [lines[0], '{"n":null,"x":1e5,"t":"é"}', "{}", '{"new":true}']


def test_columns_have_the_type_that_holds_all_their_values(tmp_path: Path) -> None:
    table = opened(
        written(
            tmp_path,
            '{"i":1,"f":1.5,"s":"a","b":true,"mixed":1,"big":18446744073709551616,"o":{},"null":null,"some":7}\n'
            '{"i":null,"f":2,"s":"","b":null,"mixed":"1","big":1,"o":[1],"null":null}\n',
        )
    )
    _, found = results(table, tmp_path)
    assert {name: str(found.schema.field(name).type) for name in table.columns} == {
        "i": "int64", "f": "double", "s": "string", "b": "bool", "mixed": "string", "big": "string", "o": "string",
        "null": "string", "some": "int64",
    }  # fmt: skip
    assert found.select(["i", "f", "mixed", "big", "o", "some"]).to_pydict() == {
        "i": [1, None],
        "f": [1.5, 2.0],
        "mixed": ["1", '"1"'],
        "big": ["18446744073709551616", "1"],
        "o": ["{}", "[1]"],
        "some": [7, None],
    }


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED])
def test_results_as_an_input_send_the_same_again(tmp_path: Path, state: State) -> None:
    table = opened(
        written(
            tmp_path,
            '{"id":"a","n":12345678901234567890123,"o":{"k":[null,"x"]},"gap":1,"both":1,"row":7}\n'
            '{"id":"b","n":null,"o":"text","row":"x"}\n'
            '{"id":"c","gap":2,"both":null,"row":null}\n',
        )
    )
    path, _ = results(table, tmp_path, state)
    again = opened(path)
    assert inputs(again) == inputs(table)
    (tmp_path / "deeper").mkdir()
    deeper, _ = results(again, tmp_path / "deeper", state)
    assert inputs(opened(deeper)) == inputs(table)


def test_mistakes_are_named_together_with_their_lines(tmp_path: Path) -> None:
    problems = refusal(written(tmp_path, '{"a":1}\n[1]\n7\n{"a":1,"a":2}\n{"a":NaN}\n\n{"a":01}\n{"a":1}x\n{"a":{\n'))
    assert [problem.split(":")[0] for problem in problems] == [f"line {line}" for line in (2, 3, 4, 5, 7, 8, 9)]
    assert "not an object" in problems[0]
    assert "the key 'a' is given twice" in problems[2]
    assert "does not end on its line" in problems[6]


def test_only_ten_bad_lines_are_named(tmp_path: Path) -> None:
    problems = refusal(written(tmp_path, "x\n" * 12))
    assert len(problems) == 11
    assert problems[10] == "and 2 more such lines"


def test_a_json_array_is_refused_with_advice(tmp_path: Path) -> None:
    assert "jq -c" in refusal(written(tmp_path, '[\n{"a":1}\n]\n'))[0]


def test_commas_between_the_lines_are_refused_with_advice(tmp_path: Path) -> None:
    assert "ends with a comma" in refusal(written(tmp_path, '{"a":1},\n{"a":2}\n'))[0]


def test_another_encoding(tmp_path: Path) -> None:
    content = '{"名":"字"}\n'
    assert inputs(opened(written(tmp_path, content.encode("gb18030")), encoding="gb18030")) == [{"名": "字"}]
    assert inputs(opened(written(tmp_path, b"\xef\xbb\xbf" + content.encode()))) == [{"名": "字"}]
    assert "gb18030" in refusal(written(tmp_path, content.encode("gb18030")))[0]


@pytest.mark.parametrize("content", ["", "\n\n", "{}\n{}\n"])
def test_no_columns_are_fine(tmp_path: Path, content: str) -> None:
    table = opened(written(tmp_path, content))
    assert table.columns == ()
    _, found = results(table, tmp_path)
    assert found.num_rows == content.count("{")


def test_what_is_not_for_jsonl(tmp_path: Path) -> None:
    path = written(tmp_path, '{"":1}\n')
    assert "empty key" in refusal(path)[0]
    assert "--delimiter" in refusal(path, delimiter=";")[0]
    assert "--type" in refusal(path, kinds={"a": "int"})[0]


def test_batches_begin_where_asked(tmp_path: Path) -> None:
    path = written(tmp_path, "".join(f'{{"n":{n}}}\n' for n in range(5000)), "in.ndjson")
    table = opened(path)
    assert [row["n"] for row in inputs(table)] == list(range(5000))
    assert len(texts(table, 4000)) == 1000
    assert next(table.batches(1500)).start == 1500
    assert next(table.batches(1500)).arrow().schema == pa.schema([("n", pa.int64())])


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    path = written(tmp_path, '{"a":"')
    with path.open("ab") as file:
        for _ in range(70):
            file.write(b"x" * (1 << 20))
    assert "over 64 MB" in refusal(path)[0]


def test_the_rest_of_a_format_is_said_when_it_is_opened_without_reading(tmp_path: Path) -> None:
    assert open_table(Source(written(tmp_path, "not JSON at all\n"))).columns == ()


def test_values_may_be_nested_to_the_same_depth_on_every_python(tmp_path: Path) -> None:
    deep = ["[" * levels + "]" * levels for levels in (919, 920, 5000)]
    lines = [f'{{"a":{value}}}' for value in deep]
    assert texts(opened(written(tmp_path, lines[0]))) == lines[:1]
    told = [f"line {line}: its values are nested too deeply" for line in (2, 3)]
    assert refusal(written(tmp_path, "\n".join(lines))) == told


def test_numbers_of_any_length_are_sent_to_the_letter(tmp_path: Path) -> None:
    long = "1" * 5000
    assert texts(opened(written(tmp_path, f'{{"n": {long}}}\n'))) == [f'{{"n":{long}}}']


def test_half_a_surrogate_pair_is_not_taken_for_a_line_that_breaks_off(tmp_path: Path) -> None:
    told = 'line 1: half a surrogate pair (such as "\\ud800") is no text'
    assert refusal(written(tmp_path, '{"a": "\\ud800"}\n')) == [told]
    assert refusal(written(tmp_path, '{"a": "\\udc00 x"}\n')) == [told]


def test_keys_that_are_data_are_refused_before_they_take_long(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(f'{{"id": {row}, "k{row}": 1}}\n' for row in range(30_000)))
    with pytest.raises(InputError, match=r"different keys; 10,000 are the most\. Keys that differ from row to row"):
        inspect(open_table(Source(path)), None, None)
