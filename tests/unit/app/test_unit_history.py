"""What is found before the service is asked."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from batchrun.adapters.clock import WallClock
from batchrun.app.history import history
from batchrun.dialects import DIALECTS
from batchrun.dialects.open import Open
from batchrun.errors import InputError
from batchrun.job import build_job

QUERY: Mapping[str, str | int | None] = {"workflow_id": None, "limit": 10}


def test_a_run_that_cannot_be_asked_for_is_a_mistake_of_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(DIALECTS, "open", Open())
    service = build_job({"input": tmp_path / "rows.csv", "workflow_id": "w", "api": "open"})
    with pytest.raises(InputError, match="add --workflow-id"):
        asyncio.run(history(service, "token-0123456789", WallClock(), "7", QUERY))
