"""The fixture of the tests of option sources."""

from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of options, not yet written."""
    return tmp_path / "some.toml"
