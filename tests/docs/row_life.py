"""Draws the life of a row from the table in `domain.states`: `python -m tests.docs.row_life` writes docs/row-life.svg.

It needs Graphviz (`dot`). The test needs none: it compares the graph that is kept in the picture with the table.
"""

import subprocess
from collections import defaultdict
from pathlib import Path

from batchrun.domain.states import ENDED, State, cells

PICTURE = Path(__file__).parents[2] / "docs" / "row-life.svg"

_LAYOUT = """rankdir=TB; nodesep=0.5; ranksep=0.8; bgcolor="white";
  node [shape=box, style="rounded,filled", fillcolor="#eef3fb", color="#4a6da7", fontname="Helvetica", fontsize=13];
  edge [fontname="Helvetica", fontsize=10, color="#555555", fontcolor="#222222"];
  start [shape=point, width=0.12];
  start -> queued;
  { rank=same; running; in_doubt; }
  { rank=same; completed; failed; }"""


def graph() -> str:
    """The table as a Graphviz graph: one arrow for each pair of states, labelled with the events that lead there."""
    arrows = defaultdict[tuple[State, State], list[str]](list)
    for state, event, next_state in cells():
        if state is not next_state:
            arrows[state, next_state].append(event.replace("_", " "))
    nodes = [f'{state} [label="{state.replace("_", " ")}"{_look(state)}];' for state in State]
    edges = [f'{one} -> {other} [label="{_lines(events)}"];' for (one, other), events in arrows.items()]
    return "\n  ".join(["digraph row {", _LAYOUT, *nodes, *edges]) + "\n}\n"


def _look(state: State) -> str:
    return ', peripheries=2, fillcolor="#eaf6ea", color="#3f7d4a"' if state in ENDED else ""


def _lines(events: list[str]) -> str:
    return "".join(f" {event}\\l" for event in events)


def kept() -> str:
    """The graph that the picture was drawn from; it is kept in a comment at its end."""
    return PICTURE.read_text("utf-8").rpartition("<!--")[2].removesuffix("-->\n").replace("- >", "->")


if __name__ == "__main__":
    drawn = subprocess.run(["dot", "-Tsvg"], input=graph(), check=True, capture_output=True, text=True).stdout
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(drawn + "<!--" + graph().replace("->", "- >") + "-->\n", "utf-8")
