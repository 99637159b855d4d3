"""The summary of a job, with access to its results."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchrun.domain.filenames import ERRORS, OUTPUTS
from batchrun.domain.summary import Summary
from batchrun.errors import InputError, StorageError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class JobSummary(Summary):
    """The counts of a job's rows and requests, and its results as tables.

    summary = batchrun.run(job)
    print(summary.completed, summary.errors_by_kind)
    frame = summary.outputs().to_pandas()
    """

    def outputs(self) -> "pa.Table":
        """Read `outputs.parquet` of the run directory: the completed rows, in input order.

        The whole file is read, memory-mapped. For a file larger than memory use
        `pyarrow.dataset.dataset(f"{summary.folder}/outputs.parquet")`. While the job runs, the file may be older than
        these figures or missing. If it is missing, `InputError` is raised; `batchrun.export(summary.folder)` writes it.
        """
        return _read(Path(self.folder) / OUTPUTS)

    def errors(self) -> "pa.Table":
        """Read `errors.parquet`: the rows that failed, timed out or are in doubt. Otherwise like `outputs`."""
        return _read(Path(self.folder) / ERRORS)


def _read(path: Path) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 - not needed for the figures alone
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            return file.read()
    except FileNotFoundError:
        raise InputError(f"{path}: is not written yet. Write it with batchrun.export({str(path.parent)!r})") from None
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"{path}: cannot be read: {error}") from error
