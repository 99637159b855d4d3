"""The extra `report`: bokeh for the charts, jinja2 for the page."""

from importlib import import_module

from batchrun.errors import InputError


def refuse_missing_extra() -> None:
    """Raise `InputError` if the extra is not installed. Call it before the page is imported."""
    for library in ("bokeh", "jinja2"):
        try:
            import_module(library)
        except ImportError:
            raise InputError(
                f"The report needs {library}, which is not installed: pip install 'batchrun[report]'"
            ) from None
