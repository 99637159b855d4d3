"""The lines of the fault matrix, and docs/fault-matrix.md, which `python -m tests.docs.promises_page` renews."""

from pathlib import Path

from tests.harness.matrix import Fault, markdown
from tests.harness.matrix_data import DATA
from tests.harness.matrix_machine import DISK, PROCESS
from tests.harness.matrix_network import CALLBACKS, NETWORK

PAGE = Path(__file__).parents[2] / "docs" / "fault-matrix.md"

SECTIONS: dict[str, tuple[Fault, ...]] = {
    "The network": NETWORK,
    "Callbacks": CALLBACKS,
    "The process": PROCESS,
    "The disk": DISK,
    "Inputs and outputs": DATA,
}

_BEGINNING = """# The fault matrix

Each fault that batchrun is tested with, what must happen then, and the tests. A name without `.py` is a part of the
harness, perhaps with one of its cases (`python -m tests.harness PART`); the others are below `tests/`.
[Promises](promises.md) has the figures.
"""


def page() -> str:
    """The page, made of the matrix."""
    sections = (f"## {title}\n\n{markdown(faults)}\n" for title, faults in SECTIONS.items())
    return "\n".join([_BEGINNING, *sections])
