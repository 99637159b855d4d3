"""The base class of rows, events and answers.

Each row of a job creates many small immutable values. msgspec creates them in C, which is cheaper than frozen
dataclasses. `gc=False`: they cannot form reference cycles, so the garbage collector need not track them.
"""

from msgspec import Struct
from msgspec.structs import replace as copied

__all__ = ["Frozen", "copied"]


class Frozen(Struct, frozen=True, gc=False):
    """An immutable value. `copied(record, name=value)` returns a copy with other values in the named fields."""
