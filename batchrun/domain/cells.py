"""What a cell may hold besides a JSON value."""

from dataclasses import dataclass
from enum import Enum, auto


class Absent(Enum):
    """The row does not have the column: a JSON object lacks the key. This differs from null, which is a value."""

    ABSENT = auto()


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class BadCell:
    """Text that does not match the type which the job declares for its column. The row cannot be sent."""

    text: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.text[:80]!r} is not {self.wanted}"
