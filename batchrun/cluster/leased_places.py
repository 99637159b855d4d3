"""Places that are leased like rates: runs in flight and connections, of which each worker has a part."""

import math
from collections.abc import Callable
from typing import Protocol


class Places(Protocol):
    """A number of places that can be changed."""

    @property
    def in_use(self) -> int:
        """The places that are in use."""
        ...

    @property
    def is_short(self) -> bool:
        """Whether somebody waits for a place."""
        ...

    def resize(self, size: int) -> None:
        """Allow this many from now on."""
        ...


class LeasedPlaces:
    """Implements `LeasedLimit`. `total`: the places of all workers together.

    A place counts as one slot with a period of a second, so it is given to another worker a second after it was given
    back. A lease that has run out takes no place away: without permits, nothing is sent.
    """

    on_pause: Callable[[float], None] | None = None

    def __init__(self, places: Places, total: int) -> None:
        self._places = places
        self.rate = float(total)
        places.resize(0)

    @property
    def in_use(self) -> int:
        """See `LeasedLimit`."""
        return self._places.in_use

    @property
    def is_short(self) -> bool:
        """See `LeasedLimit`."""
        return self._places.is_short

    @property
    def saturated(self) -> bool:
        """See `LeasedLimit`."""
        return self._places.is_short

    def lease(self, rate: float, until: float) -> None:
        """See `LeasedLimit`."""
        del until
        self._places.resize(math.floor(rate + 0.5))

    def pause_for_others(self, until: float) -> None:
        """Places have no pauses."""
