"""Tries the chunks of a part, many at the same time."""

import logging
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tests.harness.figures import Chunk, Figure, NotPossibleError, added
from tests.harness.parts import part


def tried(name: str, *, full: bool) -> list[Figure]:
    """Try all chunks of a part, as many at a time as there are processors and two more: many wait for a process.

    A part may say that it takes more: `AT_ONCE` is then the number of its chunks that are tried at a time.
    """
    workers = getattr(part(name), "AT_ONCE", (os.cpu_count() or 1) + 2)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        pending = [pool.submit(_in_a_folder, name, chunk) for chunk in part(name).chunks(full)]
        return added(figure for done in as_completed(pending) for figure in done.result())


def _in_a_folder(name: str, chunk: Chunk) -> Sequence[Figure]:
    logging.getLogger("batchrun").setLevel(logging.CRITICAL)  # what the jobs say is no message of the part
    with tempfile.TemporaryDirectory() as folder:
        try:
            return part(name).run(chunk, Path(folder))
        except NotPossibleError as error:
            return [Figure(f"{name}: {chunk[0]}", 0, [], f"not tried: {error}")]
