"""What rows, events and answers are made of.

A row of a job passes through some twenty small values that never change. As frozen dataclasses they took longer to make
than the database took to write them; these are the same to their users, and made in C. `gc=False`: they hold plain
values and each other, never themselves, so the garbage collector need not look at them.
"""

from msgspec import Struct
from msgspec.structs import replace as copied

__all__ = ["Frozen", "copied"]


class Frozen(Struct, frozen=True, gc=False):
    """A value that never changes. `copied(record, name=value)` is another one that differs in these fields."""
