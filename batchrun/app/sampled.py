"""The rows that the sample of a job consists of, as its first session has drawn them."""

import json
from collections.abc import Collection, Mapping

from batchrun.domain.sample import drawn
from batchrun.job import Job

SAMPLE = "sample"
"""The name in the checkpoint's metadata of the seed and the number of input rows by which the sample was drawn."""


def drawn_rows(meta: Mapping[str, str], job: Job) -> Collection[int] | None:
    """The input rows to which the job is limited; None: all."""
    if job.sample is None or SAMPLE not in meta:
        return None
    seed, rows = json.loads(meta[SAMPLE])
    return drawn(seed, rows, job.sample)
