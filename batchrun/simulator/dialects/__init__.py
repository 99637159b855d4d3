"""The APIs that the simulator serves, by their names in `--api`."""

from collections.abc import Callable, Mapping

from batchrun.ports import Clock
from batchrun.simulator.dialects.base import Dialect
from batchrun.simulator.dialects.open import Open
from batchrun.simulator.dialects.studio import Studio
from batchrun.simulator.dialects.v1 import V1
from batchrun.simulator.options import SimulatorOptions

DIALECTS: Mapping[str, Callable[[Clock, SimulatorOptions], Dialect]] = {"v1": V1, "open": Open, "studio": Studio}
