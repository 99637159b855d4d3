"""Counts the requests of a session."""

from dataclasses import dataclass

from batchrun.domain.time_series import Interval


@dataclass
class Counters:
    """The requests of one session.

    `submissions` and `polls` count the requests that were sent, whatever their outcome; a request that never got a
    connection does not count. `throttled` counts the 429 answers. A submission is counted before its intent is
    recorded, and subtracted again if it is not sent: so what a killed process has recorded lacks no POST.
    """

    submissions: int = 0
    polls: int = 0
    throttled: int = 0
    irregular_outputs: int = 0
    """Outputs that are not strict JSON and were kept as they could be read."""
    earlier_submissions: int = 0
    """The submissions of the job's earlier sessions."""
    earlier_ended: int = 0
    """Rows that ended in earlier sessions since the last retry, without reused rows."""
    earlier_failures: int = 0
    """Those of them that failed or timed out."""
    known_echoes: str = ""
    """What the answers of all sessions have shown about the echo of inputs (`KnownEchoes.record`)."""
    measures: str = ""
    """What the session has measured, as JSON of `Measures`; empty if nothing so far."""
    unhelpful_rows: str = ""
    """The rows whose polls bring nothing usable (`UnhelpfulRows.record`); empty if that is not known."""
    workers: str = ""
    """The workers that are at work, as JSON of `WorkerFigures`; empty if the job runs in one process."""
    time_series: tuple[Interval, ...] = ()
    """What happened when, as far as it was observed (`TimeSeries.intervals`)."""
