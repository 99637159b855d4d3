"""Every folder of tests is run, by `pytest` alone or by the other command that CI and the page of development have."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAULTS = "tests/harness"


def test_every_folder_of_tests_is_run() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    folders = {path.relative_to(ROOT).parts[1] for path in (ROOT / "tests").rglob("test_*.py")}
    assert {*options["testpaths"], FAULTS} == {f"tests/{folder}" for folder in folders}
    for place in (".ci/run", "docs/development.md"):
        assert f"pytest {FAULTS}" in (ROOT / place).read_text("utf-8")
