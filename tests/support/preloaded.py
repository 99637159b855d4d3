"""Imports everything that a command may import. Commands are forked from a process that has imported this module."""

import gc
import importlib
import pkgutil

import batchrun

OTHERS = ("_strptime", "cozepy", "encodings.idna", "pandas", "pwd", "uvloop")
"""Modules that are imported only when they are used; pyarrow imports pandas, if it is there."""

for name in (*(module.name for module in pkgutil.walk_packages(batchrun.__path__, "batchrun.")), *OTHERS):
    if name != "batchrun.__main__":
        importlib.import_module(name)
gc.collect()
gc.freeze()  # else the garbage collection of each command would copy the memory that it shares with the others
