"""The extra `sweep`: numpy and scipy, which figures of scores need, and scores do not."""

from importlib import import_module

from batchrun.errors import InputError


def refuse_missing_extra() -> None:
    """Raise `InputError` if the extra is not installed. To be called before the comparison is imported."""
    for library in ("numpy", "scipy"):
        try:
            import_module(library)
        except ImportError:
            raise InputError(
                f"Figures of scores need {library}, which is not installed: pip install 'batchrun[sweep]'"
            ) from None
