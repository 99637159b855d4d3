"""The simulator inside the process answers any workflow; one that is nearly one of its own is probably misspelt."""

import pytest

from batchrun.app.option_warnings import option_warnings
from tests.unit.built_jobs import job


@pytest.mark.parametrize(
    ("workflow_id", "simulate", "warned"),
    [
        ("pengiun", True, True),
        ("penguin", True, False),
        ("7412345678901234567", True, False),
        ("pengiun", False, False),
    ],
)
def test_it_is_warned_of(workflow_id: str, simulate: bool, warned: bool) -> None:
    found = list(option_warnings(job(workflow_id=workflow_id, simulate=simulate)))
    text = "the simulator knows no workflow 'pengiun' and answers as echo; did you mean penguin?"
    assert found == ([text] if warned else [])
