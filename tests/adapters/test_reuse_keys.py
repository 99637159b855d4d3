"""Reuse keys, and the results that a later job reuses."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.earlier_job import PIECE_CHARACTERS, EarlierJob, EarlierJobs, ReuseKeys, reuse_key_of
from batchrun.adapters.tables.arrow_values import ArrowBatch
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import Accepted, Adopted, Held, Reused, RunCompleted, Settled, SubmitStarted
from batchrun.domain.row import Row, decide
from batchrun.domain.states import State
from batchrun.errors import InputError, StorageError
from batchrun.ports import Work
from tests.contract.row_lives import NOW, commit, life_to, opened

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUE = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
INPUTS = st.dictionaries(TEXT, VALUE, max_size=4)


def turned(value: object) -> object:
    """The same value with the keys of every object in reverse order."""
    if isinstance(value, dict):
        return {name: turned(inner) for name, inner in reversed(value.items())}
    return [turned(inner) for inner in value] if isinstance(value, list) else value


@given(TEXT, INPUTS)
def test_the_order_of_inputs_does_not_matter_at_any_depth(key: str, inputs: dict[str, object]) -> None:
    other = turned(inputs)
    assert isinstance(other, dict)
    assert reuse_key_of(key, inputs) == reuse_key_of(key, other)
    assert len(reuse_key_of(key, inputs)) == 16


@given(st.lists(st.tuples(TEXT, INPUTS), min_size=2, max_size=2))
def test_other_keys_and_other_inputs_have_other_reuse_keys(pair: list[tuple[str, dict[str, object]]]) -> None:
    (key, inputs), (other_key, others) = pair
    alike = key == other_key and msgspec.json.encode(inputs, order="deterministic") == msgspec.json.encode(
        others, order="deterministic"
    )
    assert (reuse_key_of(key, inputs) == reuse_key_of(other_key, others)) == alike


def test_values_that_json_distinguishes_have_different_keys() -> None:
    values = [1, 1.0, "1", True, None, "", "null", [1], {"a": 1}, "[1]", 10**30, msgspec.Raw(b"1.00")]
    reuse_keys = [reuse_key_of("k", {"a": value}) for value in values]
    assert len(set(reuse_keys)) == len(values)
    assert reuse_key_of("k", {}) != reuse_key_of("k", {"a": None})
    assert reuse_key_of("k", {"a": msgspec.Raw(b'{"z": 1}')}) == reuse_key_of("k", {"a": msgspec.Raw(b'{"z": 1}')})


def test_the_reuse_keys_of_earlier_versions_are_found_again() -> None:
    inputs = {"b": "é", "a": [1, 1.5, None, True, {"z": 1, "y": "\u2028"}], "c": msgspec.Raw(b"1.10")}
    assert reuse_key_of("1", inputs).hex() == "137107b0c8c00ecb287964683f2db098"


def with_keys(reuse_keys: ReuseKeys, rows: Sequence[Row], **columns: list[object]) -> list[list[Work]]:
    batch = ArrowBatch(rows[0].row, pa.record_batch(columns))
    works = [Work(row, value) for row, value in zip(rows, batch.values(["text"]), strict=True)]
    return list(reuse_keys.with_keys(works, batch))


def completed(folder: Path, number: int, reuse_key: bytes | None, output: str) -> None:
    """Complete a row of the job in `folder`."""
    with opened(folder) as checkpoint:
        row = Row(number)
        for event in (
            SubmitStarted(NOW, reuse_key),
            Accepted(f"run-{number}", "pending", NOW, NOW),
            RunCompleted("completed", output, NOW + 5, NOW + 1, NOW + 2),
        ):
            row = decide(row, event)
            assert commit(checkpoint, Entry(row, event)) == [None]


MAPPING = ColumnMapping({"text": "text"})


def test_rows_are_recognised_by_key_and_inputs_though_the_key_is_not_sent() -> None:
    rows = [Row(7), Row(8, attempts=1)]
    ((first, second),) = with_keys(ReuseKeys(MAPPING, "id"), rows, id=[1, 2], text=["a", "a"])
    assert (first.reuse_key, second.reuse_key) == (reuse_key_of("1", {"text": "a"}), reuse_key_of("2", {"text": "a"}))
    assert (first.row, tuple(first.values), first.earlier) == (Row(7), ("a",), None)
    assert (first.inputs, second.inputs) == (msgspec.Raw(b'{"text":"a"}'), msgspec.Raw(b'{"text":"a"}'))


def test_a_row_that_cannot_be_sent_has_no_reuse_key() -> None:
    ((work,),) = with_keys(ReuseKeys(MAPPING, "id"), [Row(0)], id=["a"], text=[float("nan")])
    assert (work.reuse_key, work.inputs) == (None, None)


def test_what_is_completed_is_brought_with_all_that_is_recorded_of_it(tmp_path: Path) -> None:
    reuse_key = reuse_key_of("1", {"text": "a"})
    completed(tmp_path, 3, reuse_key, '{"é": 1.00}')
    earlier = EarlierJobs([EarlierJob(tmp_path / "checkpoint.db", "/jobs/last")])
    rows = [Row(0), Row(1)]
    ((first, second),) = with_keys(ReuseKeys(MAPPING, "id", earlier), rows, id=["1", "2"], text=["a", "a"])
    earlier.close()
    assert first.earlier == Reused(
        "run-3", "completed", '{"é": 1.00}', "/jobs/last", reuse_key, NOW, NOW + 5, NOW + 1, NOW + 2
    )
    assert second.earlier is None


POLLED = {State.RUNNING, State.TIMED_OUT}


@pytest.mark.parametrize("state", [state for state in State if state is not State.COMPLETED])
def test_what_has_not_ended_is_polled_or_held(tmp_path: Path, state: State) -> None:
    reuse_key = reuse_key_of("1", {"text": "a"})
    with opened(tmp_path) as checkpoint:
        life = life_to(state, 3)
        commit(checkpoint, Entry(life[0].row, SubmitStarted(NOW, reuse_key)), *life[1:])
    earlier = EarlierJobs([EarlierJob(tmp_path / "checkpoint.db", "/jobs/last")])
    found = earlier.find(reuse_key)
    if state in {State.SUBMITTING, State.IN_DOUBT}:
        message = "row 3 of /jobs/last is in doubt, and that job may have paid for it, so nothing was sent here"
        assert found == Held(Problem(ErrorKind.IN_DOUBT, message), reuse_key)
        assert earlier.find(reuse_key, holds=False) is None
    else:
        assert found == (Adopted("run-3", "pending", reuse_key, NOW, NOW) if state in POLLED else None)
        assert earlier.find(reuse_key, holds=False) == found
    earlier.close()


def test_a_result_of_any_job_counts_before_a_row_that_a_newer_one_holds(tmp_path: Path) -> None:
    reuse_key = reuse_key_of("1", {"text": "a"})
    new, old = tmp_path / "new", tmp_path / "old"
    for folder in (new, old):
        folder.mkdir()
    with opened(new) as checkpoint:
        life = life_to(State.RUNNING, 3)
        commit(checkpoint, Entry(life[0].row, SubmitStarted(NOW, reuse_key)), *life[1:])
    completed(old, 5, reuse_key, "1")
    jobs = EarlierJobs([EarlierJob(folder / "checkpoint.db", folder.name) for folder in (new, old)])
    found = jobs.find(reuse_key)
    assert isinstance(found, Reused)
    assert (found.source, found.run_id) == ("old", "run-5")
    jobs.close()


def test_a_row_that_was_held_and_released_is_looked_for_and_not_held_again(tmp_path: Path) -> None:
    reuse_key = reuse_key_of("1", {"text": "a"})
    with opened(tmp_path) as checkpoint:
        life = life_to(State.IN_DOUBT, 3)
        commit(checkpoint, Entry(life[0].row, SubmitStarted(NOW, reuse_key)), *life[1:])
    earlier = EarlierJobs([EarlierJob(tmp_path / "checkpoint.db", "/jobs/last")])
    ((held,),) = with_keys(ReuseKeys(MAPPING, "id", earlier), [Row(0)], id=["1"], text=["a"])
    assert isinstance(held.earlier, Held)
    released = decide(decide(held.row, held.earlier), Settled(State.QUEUED, NOW))
    ((work,),) = with_keys(ReuseKeys(MAPPING, "id", earlier), [released], id=["1"], text=["a"])
    assert work.earlier is None
    earlier.close()


def test_a_row_that_was_refused_is_looked_for_again(tmp_path: Path) -> None:
    nowhere = ReuseKeys(MAPPING, "id", EarlierJobs([EarlierJob(tmp_path / "checkpoint.db", "/jobs/last")]))
    for row in (Row(0), Row(0, attempts=1)):
        with pytest.raises(InputError, match="holds no job"):
            with_keys(nowhere, [row], id=["1"], text=["a"])


def test_large_outputs_come_a_few_at_a_time_and_in_order(tmp_path: Path) -> None:
    output = '"' + "x" * (PIECE_CHARACTERS // 2) + '"'
    for number in range(5):
        completed(tmp_path, number, reuse_key_of(str(number), {"text": "a"}), output)
    earlier = EarlierJobs([EarlierJob(tmp_path / "checkpoint.db", "/jobs/last")])
    rows = [Row(number) for number in range(6)]
    pieces = with_keys(ReuseKeys(MAPPING, "id", earlier), rows, id=[*"012345"], text=["a"] * 6)
    earlier.close()
    assert [[work.row.row for work in piece] for piece in pieces] == [[0, 1], [2, 3], [4, 5]]


def test_a_checkpoint_that_cannot_be_read_is_a_matter_of_storage(tmp_path: Path) -> None:
    completed(tmp_path, 0, b"m" * 16, "{}")
    path = tmp_path / "checkpoint.db"
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xff" * (len(content) - 8192))
    earlier = EarlierJob(path, "/jobs/last")
    with pytest.raises(StorageError, match=r"checkpoint\.db: cannot be read"):
        earlier.completed(b"m" * 16)
    earlier.close()
