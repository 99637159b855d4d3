"""Jobs for unit tests, and the mistakes for which a job is refused."""

import pytest

from batchrun.errors import InputError
from batchrun.job import Job, build_job


def job(**values: object) -> Job:
    return build_job({"input": "in.csv", "workflow_id": "w", **values})


def mistakes(**values: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        job(**values)
    assert caught.value.exit_code == 2
    return list(caught.value.problems)
