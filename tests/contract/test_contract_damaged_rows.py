"""Damage that shows only when a row changes is told as damage, and not as a bug."""

from pathlib import Path

import pytest

from batchrun.adapters.checkpoint.creation import PAGE_SIZE
from batchrun.adapters.checkpoint.entries import Entry
from batchrun.domain.events import RunCompleted
from batchrun.domain.row import decide
from batchrun.domain.states import State
from batchrun.errors import StorageError
from tests.contract.row_lives import NOW, commit, life_to, opened


def test_a_row_whose_state_was_changed_on_the_disk(tmp_path: Path) -> None:
    life = life_to(State.RUNNING, 0)
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life)
    path = tmp_path / "checkpoint.db"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"runningaccepted", b"runnimgaccepted"))
    assert path.read_bytes() != content
    event = RunCompleted("completed", "1", NOW)
    with opened(tmp_path, session=False) as checkpoint, pytest.raises(StorageError, match="is damaged"):
        commit(checkpoint, Entry(decide(life[-1].row, event), event))


def test_a_small_table_in_a_wrong_order(tmp_path: Path) -> None:
    """Every row can be read, and a change of one would fail only after requests were sent."""
    with opened(tmp_path) as checkpoint:
        checkpoint.set_meta(first="v" * 100, second="w" * 100)
    path = tmp_path / "checkpoint.db"
    content = bytearray(path.read_bytes())
    page = content.index(b"first" + b"v" * 100) // PAGE_SIZE * PAGE_SIZE
    pointers = slice(page + 8, page + 12)  # after the head of the page: where its first two cells are
    content[pointers] = content[page + 10 : page + 12] + content[page + 8 : page + 10]
    path.write_bytes(bytes(content))
    with pytest.raises(StorageError, match="is damaged"):
        opened(tmp_path, session=False).close()
