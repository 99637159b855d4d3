"""The options that say when a job gives up, on a row or as a whole, and what its results hold."""

import re
from typing import Literal

from pydantic import BaseModel, Field, field_validator

from batchrun.domain.filenames import OUTPUTS
from batchrun.options.types import Count, File, Integer, Seconds


class OutcomeOptions(BaseModel):
    """Retries, limits of failures, submissions, tokens and time, and the columns of the results."""

    retries: Integer = Field(default=3, ge=0, description="Retries per row, whatever the reason")
    retry_failed_runs: bool = Field(default=False, description="Also resubmit rows whose run failed")
    in_doubt: Literal["hold", "resubmit", "fail"] = Field(
        default="hold", description="What becomes of rows whose POST was sent and never answered"
    )
    max_failures: str | None = Field(
        default=None,
        description="Stop after N failed rows in all sessions, or when more than P% of the ended rows have failed "
        "(from 20 rows on) [default: no limit]",
    )
    max_submissions: Count | None = Field(
        default=None, description="Stop after N POSTs that reached the service, in all sessions [default: no limit]"
    )
    max_tokens: Count | None = Field(
        default=None,
        description="Stop when the service has reported N tokens for the runs of all sessions [default: no limit]",
    )
    max_runtime: Seconds | None = Field(
        default=None, description="Stop after this time, such as 90s, 10m, 2h [default: no limit]"
    )
    limit: Count | None = Field(
        default=None, description="Only the first N rows; may be raised or dropped later [default: all]"
    )
    select: dict[str, str] = Field(
        default={}, description=f"An extra column of {OUTPUTS}: a JMESPath expression on the output"
    )
    flatten: bool = Field(
        default=False, description=f"An extra column of {OUTPUTS} for each top-level key of the outputs"
    )
    reuse: File | None = Field(
        default=None,
        description="Take over, by --key and equal inputs, what the jobs in DIR have completed, poll what is running "
        "there, and do not send what is in doubt there [default: nothing]",
    )

    @field_validator("max_failures", mode="before")
    @classmethod
    def _max_failures(cls, value: object) -> object:
        text = str(value) if isinstance(value, int) else value
        if isinstance(text, str) and not re.fullmatch(r"0*[1-9]\d*|\d+(\.\d+)?%", text):
            raise ValueError("expected a count such as 100, or a share such as 5%")
        if isinstance(text, str) and text.endswith("%") and float(text[:-1]) > 100:
            raise ValueError("a share cannot be more than 100%")
        return text

    @property
    def failures_allowed(self) -> tuple[int | None, float | None]:
        """`max_failures` as a count or as a percentage."""
        text = self.max_failures
        if text is None:
            return None, None
        return (None, float(text[:-1])) if text.endswith("%") else (int(text), None)
