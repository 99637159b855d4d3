"""The fixture of the tests of the checkpoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint.writer import Checkpoint
from tests.contract.row_lives import opened


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Checkpoint]:
    with opened(tmp_path) as checkpoint:
        yield checkpoint
