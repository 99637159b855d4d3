"""Prints, as constraints for pip, the lowest version that pyproject.toml allows of each requirement."""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

pyproject = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
project = pyproject["project"]
for text in [
    *pyproject["build-system"]["requires"],
    *project["dependencies"],
    *project["optional-dependencies"]["report"],
    *project["optional-dependencies"]["sweep"],
    *project["optional-dependencies"]["xlsx"],
]:
    requirement = Requirement(text)
    bounds = [specifier.version for specifier in requirement.specifier if specifier.operator == ">="]
    if len(bounds) != 1:
        sys.exit(f"pyproject.toml: {text!r} does not state one lowest version, as NAME>=VERSION")
    marker = f"; {requirement.marker}" if requirement.marker else ""
    sys.stdout.write(f"{requirement.name}=={bounds[0]}{marker}\n")
