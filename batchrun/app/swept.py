"""The rows of a job: those of its input, or their product with the variants and repeats of a sweep."""

from batchrun.adapters.results.previous import PreviousResults
from batchrun.adapters.tables import ProductTable, Table
from batchrun.job import Job


def swept(job: Job, table: Table) -> Table:
    """The rows of the job from those of its input."""
    return table if job.sweep.is_plain or _is_product(table) else ProductTable(table, job.sweep, job.const)


def input_columns(job: Job, table: Table) -> tuple[str, ...]:
    """The columns of the input, without those of the varied inputs."""
    varied = job.sweep.varied if _is_product(table) else ()
    return tuple(name for name in table.columns if name not in varied)


def _is_product(table: Table) -> bool:
    """Whether a row of the table is one of the job. Earlier results have these rows already."""
    return isinstance(table, ProductTable | PreviousResults)
