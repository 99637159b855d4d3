"""Settings that affect the whole process. Only the command line applies them.

Where batchrun is a library, the host program decides about its garbage collector, limits and sqlite3 adapters.
"""

import gc
import resource
import sqlite3
import sys
from contextlib import suppress

YOUNG, OLDER, OLDEST = 50_000, 10, 10
"""Thresholds of the garbage collector. Rows create no reference cycles, nor do failures, so it can run rarely. At
10,000, which 3,000 requests in flight have at once, it took 6 to 9 % of the processor time; at 50,000 it takes 1 %."""


SWITCH_SECONDS = 0.001
"""Seconds for which a thread that needs the GIL waits before it is given up to it. The writer of the checkpoint needs
it some ten times a commit, and the loop hardly ever gives it up by itself while it is busy: with 1,000 requests at a
time, a commit took 30 ms at Python's 5 ms, and 17 ms at 1 ms."""


def prepare_process() -> None:
    """Apply the settings for a job of many rows."""
    sys.setswitchinterval(SWITCH_SECONDS)
    allow_many_connections()
    adapt_none()
    gc.freeze()  # the objects of the imports live until the end
    gc.set_threshold(YOUNG, OLDER, OLDEST)


def allow_many_connections() -> None:
    """Raise the limit of open files as far as the system allows, because each connection uses one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
    if soft not in {resource.RLIM_INFINITY, wanted} and soft < wanted:
        with suppress(ValueError, OSError):  # macOS may refuse even values below its hard limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def adapt_none() -> None:
    """Register an sqlite3 adapter that writes None as None.

    Without it, sqlite3 handles an internal exception for each None that it writes, and most values of a row are None.
    """
    # The empty dict returns None, without a call of Python code.
    sqlite3.register_adapter(type(None), dict[None, None]().get)
