"""What a cell may hold beside a value of JSON."""

from dataclasses import dataclass
from enum import Enum, auto


class Absent(Enum):
    """The row does not have the column at all (a key that a JSON object lacks); null is a value and not this."""

    ABSENT = auto()


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class BadCell:
    """Text that is not of the type that the job gives its column; the row cannot be sent."""

    text: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.text[:80]!r} is not {self.wanted}"
