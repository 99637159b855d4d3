"""A change is written in the same way alone, with many others, and after it came from another process."""

import random
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint.entries import EncodedEntry, Entry
from batchrun.adapters.checkpoint.parts import OUTPUTS
from batchrun.domain.answers import RunDetails
from batchrun.domain.frozen import copied
from batchrun.domain.row import Row, decide
from batchrun.domain.states import State, cells
from tests.contract.checkpoint_contents import everything
from tests.contract.row_lives import commit, concrete, opened

WITH_RUN = {State.RUNNING, State.COMPLETED, State.TIMED_OUT}


def lives(seed: int, steps: int = 60, rows: int = 12) -> list[Entry]:
    """Legal changes of a few rows, in turns, so that one batch has several changes of the same row."""
    chance = random.Random(seed)
    now, changes = [Row(number) for number in range(rows)], list[Entry]()
    for step in range(steps):
        number = chance.randrange(rows)
        row = now[number]
        event, to = chance.choice([(event, to) for state, event, to in cells() if state is row.state])
        happened = concrete(event, f"run-{number}-{step}", to)
        details = chance.choice([row.details, RunDetails("log", "http://a/b", step, None, 2 * step)])
        changed = copied(decide(row, happened), details=details)
        if min(changed.attempts, changed.tries) >= 0 and (changed.run_id is not None or changed.state not in WITH_RUN):
            now[number] = changed
            changes.append(Entry(changed, happened))
    return changes


@pytest.mark.parametrize("seed", range(40))
def test_changes_in_one_commit_leave_what_single_ones_leave(tmp_path: Path, seed: int) -> None:
    changes = lives(seed)
    for name, size in (("together", len(changes)), ("alone", 1), ("few", 7)):
        (tmp_path / name).mkdir()
        with opened(tmp_path / name) as checkpoint:
            for start in range(0, len(changes), size):
                batch = changes[start : start + size]
                assert commit(checkpoint, *batch) == [None] * len(batch)
    alone, *others = (everything(tmp_path / name / "checkpoint.db") for name in ("alone", "together", "few"))
    assert alone == {change.row.row: alone[change.row.row] for change in changes}
    assert [row for row, _ in alone.values()] == [
        {change.row.row: change.row for change in changes}[number] for number in alone
    ]
    assert others == [alone, alone]


@pytest.mark.parametrize("seed", range(40))
def test_an_encoded_change_says_the_same(seed: int) -> None:
    for change in lives(seed):
        encoded = EncodedEntry.of(change.parts)
        assert (encoded.row, encoded.event, encoded.parts) == (change.row, change.event.event, change.parts)
        has_output = any(table == OUTPUTS for table, _ in change.parts[2])
        assert (encoded.name, encoded.characters) == (change.name, change.characters if has_output else 0)
