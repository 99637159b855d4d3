"""Postpones the exception that a signal raises until what is being made is known to those who would undo it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _MainThread:
    """Signals are handled in the main thread alone, so only its blocks count."""

    blocks = 0
    postponed: Callable[[], None] | None = None


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within the block, a signal raises nothing; it does so after the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _MainThread.blocks += 1
    try:
        yield
    finally:
        _MainThread.blocks -= 1
    if _MainThread.postponed is not None and not _MainThread.blocks:
        raise_it, _MainThread.postponed = _MainThread.postponed, None
        raise_it()


def postponed(raise_it: Callable[[], None]) -> bool:
    """Whether the main thread is in such a block. Then `raise_it` is called after the block."""
    if _MainThread.blocks:
        _MainThread.postponed = raise_it
    return _MainThread.blocks > 0
