"""The formats in which results can be exported: their file suffixes, and which function writes them.

To add a format, write a module with a function that opens a file (`adapters.results.base`), and add an entry to
`RESULT_FORMATS`. Options, messages and file names follow from the entry.
"""

from dataclasses import dataclass
from pathlib import Path

from batchrun.errors import InputError


@dataclass(frozen=True, slots=True)
class ResultFormat:
    """One format of result files."""

    name: str
    opener: str
    """The function that opens a file, as `module:function`. The module is imported when the first file is opened."""
    library: str | None = None
    """The library that it needs, which comes with the extra of the format's name; None if none."""

    def file_name(self, parquet: str) -> str:
        """The name in this format of one of our Parquet files."""
        return str(Path(parquet).with_suffix(f".{self.name}"))


_RESULTS = "batchrun.adapters.results"

PARQUET = ResultFormat("parquet", f"{_RESULTS}.parquet:open_parquet")
CSV = ResultFormat("csv", f"{_RESULTS}.csv:open_csv")

RESULT_FORMATS = {
    known.name: known
    for known in (
        PARQUET,
        CSV,
        ResultFormat("jsonl", f"{_RESULTS}.jsonl:open_jsonl"),
        ResultFormat("xlsx", f"{_RESULTS}.xlsx:open_xlsx", library="xlsxwriter"),
    )
}
"""All formats by name."""


def result_format(name: object) -> ResultFormat:
    """The format with this name. Raises `InputError` if there is none."""
    if not isinstance(name, str) or name not in RESULT_FORMATS:
        shown = name if isinstance(name, str) else repr(name)
        raise InputError(f"--format {shown}: no such format. Known are {', '.join(RESULT_FORMATS)}")
    return RESULT_FORMATS[name]
