"""When a process was stopped, answers to its requests may have arrived that it could not read.

The process may have been suspended (SIGSTOP, the sleep of a laptop), or too busy. Time in which the event loop did not
run counts against no deadline that may cost a row its answer.
"""

STALL = 0.1
"""A timer that fires more than 0.1 s late shows that the event loop did not run in the meantime."""

GRACE = 5.0
"""After a stall, a deadline leaves at least 5 s to read what has arrived."""
