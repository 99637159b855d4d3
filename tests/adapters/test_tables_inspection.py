"""The pass over an input before anything is sent."""

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.adapters.results.writer import results_table
from batchrun.adapters.tables import Source, Table, inspect, open_table
from batchrun.domain.fingerprint import Fingerprint
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.errors import InputError
from tests.support.examples import examples
from tests.support.result_rows import result_row


def csv_of(folder: Path, content: str | bytes, **options: Any) -> Table:
    path = folder / "in.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_table(Source(path, **options))


def fingerprint(table: Table) -> Fingerprint:
    return inspect(table, None, None).fingerprint


def test_the_digest_is_of_the_contents_and_not_of_their_form(tmp_path: Path) -> None:
    plain = fingerprint(csv_of(tmp_path, "a,b\n1,é\n,x\n"))
    assert plain.rows == 2
    assert fingerprint(csv_of(tmp_path, 'a,b\r\n\r\n"1",é\r\n"","x"')) == plain
    assert fingerprint(csv_of(tmp_path, "a;b\n1;é\n;x\n".encode("latin-1"), encoding="latin-1", delimiter=";")) == plain
    path = tmp_path / "in.parquet"
    for options in ({"compression": "none", "row_group_size": 1}, {"compression": "zstd"}):
        pq.write_table(pa.table({"a": ["1", ""], "b": ["é", "x"]}), path, **options)
        assert fingerprint(open_table(Source(path))) == plain


@pytest.mark.parametrize("other", ["a,c\n1,2\n", "a,b\n1,3\n", "a,b\n12,\n", "a,b\n1,2\n1,2\n", "b,a\n2,1\n", "a,b\n"])
def test_any_difference_changes_it(tmp_path: Path, other: str) -> None:
    assert fingerprint(csv_of(tmp_path, "a,b\n1,2\n")) != fingerprint(csv_of(tmp_path, other))


def test_the_digest_distinguishes_null_nan_and_types(tmp_path: Path) -> None:
    path, digests = tmp_path / "in.parquet", set()
    for array in (
        pa.array([None], pa.float64()),
        pa.array([float("nan")]),
        pa.array([1]),
        pa.array(["1"]),
        pa.array([b"1"]),
        pa.array([b"2"]),
        pa.array([["1"]]),
    ):
        pq.write_table(pa.table({"x": array}), path)
        digests.add(fingerprint(open_table(Source(path))).digest)
    assert len(digests) == 7


LINES = st.lists(st.integers(0, 9).map(str), max_size=8)


@settings(max_examples=examples(50))
@given(known=LINES, now=LINES, repeat=st.sampled_from([1, 3000]))
def test_rows_may_be_appended(
    tmp_path_factory: pytest.TempPathFactory, known: list[str], now: list[str], repeat: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    before = fingerprint(csv_of(folder, "\n".join(["n", *known * repeat])))
    found = inspect(csv_of(folder, "\n".join(["n", *now * repeat])), None, before)
    assert found.prefix_matches is ((now * repeat)[: before.rows] == known * repeat)
    assert found.fingerprint.rows == len(now) * repeat


def test_a_known_input_that_grew(tmp_path: Path) -> None:
    known = fingerprint(csv_of(tmp_path, "n\n" + "".join(f"{n}\n" for n in range(5000))))
    grown = inspect(csv_of(tmp_path, "n\n" + "".join(f"{n}\n" for n in range(9000))), None, known)
    assert grown.prefix_matches is True
    assert grown.fingerprint.rows == 9000
    assert inspect(csv_of(tmp_path, "n\n1\n"), None, known).prefix_matches is False
    assert inspect(csv_of(tmp_path, "n\n1\n"), None, None).prefix_matches is None


def refusal(table: Table, key: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        inspect(table, key, None)
    return [problem.removeprefix(f"{table.path}: ") for problem in caught.value.problems]


def test_keys_must_be_there_and_differ(tmp_path: Path) -> None:
    table = csv_of(tmp_path, "id,x\n1,a\n2,a\n,a\n1,a\n1,b\n01,c\n2,d\n")
    assert refusal(table, "id") == [
        "line 4 (row 2): the key 'id' is empty",
        "line 2 (row 0) and line 6 (row 4) have the same key 'id': '1'",
        "line 3 (row 1) and line 8 (row 6) have the same key 'id': '2'",
    ]


def test_only_ten_bad_keys_of_a_kind_are_named(tmp_path: Path) -> None:
    content = "id,x\n" + ",\n" * 12 + "".join(f"{n},\n{n},\n" for n in range(11))
    problems = refusal(csv_of(tmp_path, content), "id")
    assert len(problems) == 22
    assert problems[10] == "and 2 more rows without a key"
    assert problems[21] == "and more rows with the key of another"


def test_keys_of_parquet(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"id": [1, None, 1], "bin": [b"a", b"b", b"c"], "ok": [1, 2, 3]}), path)
    table = open_table(Source(path))
    assert refusal(table, "id") == ["row 1: the key 'id' is empty", "row 0 and row 2 have the same key 'id': '1'"]
    assert inspect(table, "ok", None).fingerprint.rows == 3


def test_many_unique_keys(tmp_path: Path) -> None:
    table = csv_of(tmp_path, "id\n" + "".join(f"key {n}\n" for n in range(10_000)))
    assert inspect(table, "id", None).fingerprint.rows == 10_000


@given(st.lists(st.sampled_from(["1", "01", "1.0", "a", "A", "é", "e\u0301", '"a"', "null"]), max_size=6))
def test_keys_of_text_are_refused_just_where_they_are_equal(keys: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.jsonl"
        path.write_bytes(b"".join(msgspec.json.encode({"id": key}) + b"\n" for key in keys))
        table = open_table(Source(path))
        places = [(keys.index(key), len(keys) - 1 - keys[::-1].index(key), key) for key in set(keys)]
        twice = sorted(place for place in places if place[0] != place[1])
        if twice:
            told = [
                f"line {first + 1} (row {first}) and line {last + 1} (row {last}) have the same key 'id': {key!r}"
                for first, last, key in twice
            ]
            assert refusal(table, "id") == told
        else:
            assert inspect(table, "id", None).fingerprint.rows == len(keys)


def test_a_key_that_is_not_of_its_type_stays_the_text_that_it_is(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("id\n7\nx\nx\n")
    assert refusal(open_table(Source(path, kinds={"id": "int"})), "id") == [
        "line 3 (row 1) and line 4 (row 2) have the same key 'id': 'x'"
    ]
    path.write_text("id\n7\nx\n")
    table = inspect(open_table(Source(path, kinds={"id": "int"})), "id", None).table
    rows = [result_row(Row(number, State.FAILED)) for number in range(2)]
    assert results_table(table, rows, "id", errors=True).column("key").to_pylist() == ["7", "x"]
