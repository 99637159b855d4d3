"""The extra `sweep`: numpy and scipy, which figures of scores need, and scores do not."""

from importlib import import_module

from batchrun.errors import InputError


def missing_extra() -> str | None:
    """What to say if the extra is not installed; None if it is."""
    for library in ("numpy", "scipy"):
        try:
            import_module(library)
        except ImportError:
            return f"compare needs {library}, which is not installed: pip install 'batchrun[sweep]'"
    return None


def refuse_missing_extra() -> None:
    """Raise `InputError` if the extra is not installed. To be called before the comparison is imported."""
    if (missing := missing_extra()) is not None:
        raise InputError(missing)
