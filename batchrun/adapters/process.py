"""Settings that act on the whole process. Only the command line makes them: where batchrun is a library, the process is
another's, and so are its garbage collector, its limits and its sqlite3."""

import gc
import resource
import sqlite3
from contextlib import suppress

YOUNG, OLDER, OLDEST = 10_000, 10, 10
"""Thresholds of the garbage collector: a row leaves no cycles behind, so it would mostly look in vain."""


def prepare_process() -> None:
    """Make this process fit for many rows."""
    allow_many_connections()
    adapt_none()
    gc.freeze()  # what is there now stays until the end
    gc.set_threshold(YOUNG, OLDER, OLDEST)


def allow_many_connections() -> None:
    """Raise this process's limit of open files as far as the system lets it: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
    if soft not in {resource.RLIM_INFINITY, wanted} and soft < wanted:
        with suppress(ValueError, OSError):  # macOS has a lower limit than it tells
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def adapt_none() -> None:
    """Tell sqlite3 that None is written as None.

    Otherwise it looks for an adapter at each None, and finds none by an exception; most values of a row are None.
    """
    sqlite3.register_adapter(type(None), dict[None, None]().get)  # in C; the dict is empty, so the answer is None
