"""Signals at a chosen moment of a command."""

import signal
import sys
from types import FrameType


def signal_at_call(number: int, count: int) -> None:
    """Send this process the signal when its main thread makes the call of this count from now on."""
    left = count

    def on_event(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal left
        if event in {"call", "c_call"}:
            left -= 1
            if left == 0:
                sys.setprofile(None)
                signal.raise_signal(number)

    sys.setprofile(on_event)


SIGNAL_AT_IMPORT = """
import signal, sys

module, number, *arguments = sys.argv[1:]

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == module:
            signal.raise_signal(int(number))

sys.meta_path.insert(0, Finder)
sys.argv[1:] = arguments
from batchrun.cli.entry import main
main()
"""
"""A program with the arguments MODULE, SIGNAL and those of a command: a signal arrives when MODULE is imported."""
