"""The memory of this machine, or of the container in which this process is."""

from pathlib import Path

import pytest

from batchrun.adapters.machine import memory_bytes

MACHINE = memory_bytes([])


@pytest.mark.parametrize(
    ("said", "memory"),
    [("2147483648\n", min(MACHINE, 1 << 31)), ("max\n", MACHINE), ("9223372036854771712\n", MACHINE), (None, MACHINE)],
)
def test_a_limit_counts_if_it_is_less_than_the_machine_has(tmp_path: Path, said: str | None, memory: int) -> None:
    limit = tmp_path / "memory.max"
    if said is not None:
        limit.write_text(said)
    assert memory_bytes([limit]) == memory
    assert memory_bytes([limit, tmp_path / "missing"]) == memory
