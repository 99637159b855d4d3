"""Commands resolved from flags, environment and file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from batchrun.cli.option_sources import ResolvedCommand, resolve
from batchrun.cli.run_flags import RUN_FLAGS
from batchrun.errors import InputError
from batchrun.job import Job

NAMES = (*Job.model_fields, *RUN_FLAGS, "config")
REQUIRED = 'input = "rows.csv"\nworkflow-id = "w"\n'


def resolve_flags(environ: Mapping[str, str] | None = None, /, **flags: Any) -> ResolvedCommand:
    """Resolve the command `run` with these flags."""
    return resolve(dict.fromkeys(NAMES) | flags, environ or {})


def resolve_file(path: Path, text: str, environ: Mapping[str, str] | None = None, /, **flags: Any) -> ResolvedCommand:
    path.write_text(REQUIRED + text)
    return resolve_flags(environ, config=(str(path),), **flags)


def problems_of(*args: Any, **flags: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        (resolve_file if args and isinstance(args[0], Path) else resolve_flags)(*args, **flags)
    return list(caught.value.problems)
