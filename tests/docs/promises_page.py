"""The figures in docs/promises.md, from tests/harness/results.json, and the fault matrix in docs/fault-matrix.md.

`python -m tests.docs.promises_page` renews both.
"""

from pathlib import Path

from tests.docs import fault_matrix
from tests.harness.parts import PARTS
from tests.harness.table import kept, markdown

PAGE = Path(__file__).parents[2] / "docs" / "promises.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"


def renewed(text: str) -> str:
    """The page with the figures that were kept last."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = markdown([row for name in PARTS for row in kept().get(name, [])])
    return f"{before}{BEGIN}{table}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")
    fault_matrix.PAGE.write_text(fault_matrix.page(), "utf-8")
