"""The short form of every part: no promise is broken. `python -m tests.harness --short` tries four times as much."""

from pathlib import Path

import pytest

from tests.harness.figures import Chunk, NotPossibleError
from tests.harness.parts import PARTS, part

WHOLE = {"simulation", "workers", "power_cut"}
"""The parts of which all is tried here. The others wait for many processes, so every fourth chunk is tried."""

SLOW = {"worker_kills": 900}
"""The seconds within which a chunk of these parts must end, if that may take long."""

SHORT = [
    pytest.param(name, chunk, marks=[pytest.mark.timeout(SLOW[name]), pytest.mark.quiet] if name in SLOW else [])
    for name in sorted(PARTS, key=lambda name: name not in SLOW)  # what waits longest begins first
    for chunk in part(name).chunks(full=False)[:: 1 if name in WHOLE else 4]
]


@pytest.mark.parametrize(
    ("name", "chunk"), SHORT, ids=lambda value: "-".join(map(str, [value] if isinstance(value, str) else value))
)
def test_no_promise_is_broken(name: str, chunk: Chunk, tmp_path: Path) -> None:
    try:
        figures = part(name).run(chunk, tmp_path)
    except NotPossibleError as error:
        pytest.skip(str(error))
    assert figures
    for figure in figures:
        assert figure.tried > 0, figure
        assert not figure.violations, "\n".join(figure.violations)
