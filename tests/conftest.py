"""How many processes run the tests, where their files are, and how Hypothesis works here.

The files are in memory where there is room for them: most of a short job's time is spent waiting for the disk.

Hypothesis tries the same examples in every run, without deadlines, and does not trace lines for explanations.
`pytest --hypothesis-profile long --hypothesis-seed N` tries ten times as many, others for each N.
"""

import importlib
import os
import pkgutil
import shutil
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings

import batchrun

settings.register_profile(
    "batchrun",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # a machine that is busy is no fault of the strategies
    phases=[phase for phase in Phase if phase is not Phase.explain],
)
settings.register_profile("long", settings.get_profile("batchrun"), derandomize=False, max_examples=1000)
settings.load_profile("batchrun")

MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= 4 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# Hypothesis also tries constants from the source of the modules that are loaded. Were they loaded only when they are
# needed, the examples of a test would depend on the tests that the same process ran before.
for module in pkgutil.walk_packages(batchrun.__path__, "batchrun."):
    if module.name != "batchrun.__main__":
        importlib.import_module(module.name)


def pytest_xdist_auto_num_workers() -> int:
    """Two more processes than processors, because many tests wait for a process or a timer."""
    return (os.cpu_count() or 1) + 2
