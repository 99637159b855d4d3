"""Tells once that a run directory was moved, or is a copy of one that is still there."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from batchrun.adapters.checkpoint.progress_file import read_progress
from batchrun.app.run_directory import RunDirectory
from batchrun.domain.filenames import PROGRESS

log = logging.getLogger("batchrun")


def warn_if_moved(directory: RunDirectory, meta: Mapping[str, str]) -> None:
    """Warn if the last command found the job in another folder.

    `meta`: what the checkpoint has recorded about the job.
    """
    if "folder" not in meta or directory.folder.absolute() == (before := Path(meta["folder"])):
        return
    with suppress(OSError):
        if before.samefile(directory.folder):
            return  # by another path
        known = read_progress(before / PROGRESS)
        if known is not None and known.job_id == meta.get("job_id"):
            advice = "Go on in one of the two alone: what both submit is paid for twice"
            log.warning("%s: is a copy of %s, which is still there. %s", directory.folder, before, advice)
            return
    log.warning("%s: was moved, or copied, from %s", directory.folder, before)
