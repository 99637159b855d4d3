"""The charts of a job, each with a sentence and a table that say the same. Imports bokeh, which is an extra."""

from batchrun.views.report.distributions import lag, polls, run_times
from batchrun.views.report.model import JobReport
from batchrun.views.report.over_time import errors, in_flight, throughput
from batchrun.views.report.plot import Chart
from batchrun.views.report.timeline import timeline


def charts_of(job: JobReport, prefix: str) -> list[Chart]:
    """The charts of a job, as far as there is something to draw. `prefix`: makes their ids unique in a page."""
    line, rows = timeline(job.sessions), job.rows
    charts = list[Chart]()
    if line.every:
        charts += [throughput(job, line, f"{prefix}-throughput"), in_flight(job, line, f"{prefix}-in-flight")]
    if rows.run.n:
        charts.append(run_times(job, f"{prefix}-run-times"))
    if rows.lag.n:
        charts.append(lag(job, f"{prefix}-lag"))
    if rows.polls:
        charts.append(polls(job, f"{prefix}-polls"))
    if rows.errors_over_time:
        charts.append(errors(job, f"{prefix}-errors"))
    return charts
