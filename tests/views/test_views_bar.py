"""The progress bar on terminals of several widths, and texts from outside in it, in virtual time."""

import io
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from batchrun.ports import Request, Response, TransportError
from batchrun.views.progress_bar import BarView
from tests.support.rehearsal import Rehearsal

HOSTILE = "\x1b[2J\x1b]0;title\x07\r\x9b5n\u202egnp\u2028 宽宽宽宽 e\u0301\u0301 \t\nnext" + "x" * 300
OWN = re.compile(r"\x1b\[[0-9;]*[mAK]|\x1b\[\?25[lh]|\r")
"""What rich itself sends: colours, and the cursor to the beginning of the bar."""


class Screen:
    """What a terminal of this width is sent."""

    def __init__(self, width: int, *, encoding: str = "utf-8") -> None:
        self._bytes = io.BytesIO()
        self._file = io.TextIOWrapper(self._bytes, encoding, errors="strict", newline="")
        self.view = BarView(Console(file=self._file, width=width, force_terminal=True, color_system="standard"))

    def text(self) -> str:
        """Everything that was sent."""
        self._file.flush()
        return self._bytes.getvalue().decode(self._file.encoding)

    def lines(self) -> list[str]:
        """Every line that was drawn, without colours."""
        return OWN.sub("\n", re.sub(r"\x1b\[[0-9;]*m", "", self.text())).split("\n")


def shown(screen: Screen, rehearsal: Rehearsal, **options: Any) -> str:
    """What a session shows."""
    rehearsal.view = screen.view
    rehearsal.run(**options)
    return "\n".join(screen.lines())


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_no_line_is_wider_than_the_terminal_and_the_bar_is_of_use(tmp_path: Path, width: int) -> None:
    screen = Screen(width)
    shown(screen, Rehearsal(tmp_path, 60, "duration=3", "fail=10%", "lost=5%", "rps=8"), rps=10)
    lines = screen.lines()
    assert max(map(cell_len, lines)) <= width
    bars = [line for line in lines if line.startswith(("━", "─", "·"))]
    if width >= 40:
        assert all(re.match("[━─·]{12}", line) for line in bars)
    if width >= 60:
        assert any("of 60 done" in line and "rows/s" in line and "ETA" in line for line in bars)
        assert any(re.search(r"failed · .*in flight · .*queued", line) for line in lines)


def test_the_counts_are_those_of_the_log(tmp_path: Path) -> None:
    text = shown(Screen(100), Rehearsal(tmp_path, 40, "duration=1", "fault=reject:id=3", "fault=lost:id=5"), rps=20)
    last = [line for line in text.splitlines() if "of 40 done" in line][-1]
    assert "38 of 40 done" in last
    counts = text[text.rindex(last) :]
    assert "1 failed · 1 in doubt · 0 in flight" in counts


def test_throttling_a_pause_and_the_last_errors_are_shown_as_they_happen(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 200, "duration=2", "rps=10", "retry_after=20", "fault=fail:id=7")
    text = shown(Screen(100), rehearsal, rps=20)
    assert re.search(r"429: submissions paused for 20 s, until \d\d:\d\d:\d\dZ", text)
    assert re.search(r"429: submissions slowed to [\d.]+/s of 20/s", text)
    assert "1 run_failed, last row 7: " in text


def test_an_outage_is_shown_until_it_ends(tmp_path: Path) -> None:
    rehearsal, screen = Rehearsal(tmp_path, 60, "duration=2"), Screen(100)
    began = rehearsal.clock.now()

    def answer(_: Request) -> TransportError | None:
        is_out = 5 < (rehearsal.clock.now() - began) / 1000 < 40
        return TransportError("connection {refused}", sent=False) if is_out else None

    rehearsal.answer = answer
    text = shown(screen, rehearsal, rps=5)
    assert re.search(r"service unavailable for \d+ s, next try in \d+ s: connection {refused}", text)
    assert "unavailable" not in text[text.rindex("60 of 60 done") :]


def test_texts_from_the_service_never_move_the_cursor(tmp_path: Path) -> None:
    rehearsal, screen = Rehearsal(tmp_path, 10, "duration=1"), Screen(60)

    def answer(request: Request) -> Response | None:
        if request.method != "GET":
            return None
        return rehearsal.polled(request, status="failed", error={"code": HOSTILE, "message": HOSTILE})

    rehearsal.answer = answer
    text = shown(screen, rehearsal, rps=2)
    assert " run_failed, last row" in text
    assert "\\x1b[2J\\x1b]0;title\\x07" in text
    rest = OWN.sub("", screen.text())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028]", rest)
    assert max(map(cell_len, screen.lines())) <= 60


def test_a_terminal_without_unicode_gets_a_bar_of_ascii(tmp_path: Path) -> None:
    screen = Screen(80, encoding="ascii")
    screen.view = BarView(Console(file=screen._file, width=80, force_terminal=True, color_system=None))
    text = shown(screen, Rehearsal(tmp_path, 20, "duration=2"))
    assert re.search(r"^#+=*\.* ", text, re.M)


def test_the_bar_never_goes_back(tmp_path: Path) -> None:
    text = shown(Screen(80), Rehearsal(tmp_path, 50, "duration=lognormal:2,5"), rps=10)
    done = [int(number) for number in re.findall(r"(\d+) of 50 done", text)]
    assert all(before <= after for before, after in pairwise(done))
    assert done[-1] == 50
