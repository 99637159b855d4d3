"""Options of a command that are not options of the job."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from batchrun.options.names import option_name
from batchrun.options.types import File
from batchrun.options.validation import Conflict, field_namer, raise_conflicts


def _switch_count(value: object) -> object:
    """The count of a repeatable switch; `true` counts as 1."""
    text = str(value).strip().lower()
    return {"true": 1, "yes": 1, "on": 1, "false": 0, "no": 0, "off": 0}.get(text, value)


class RunFlags(BaseModel):
    """Options for the output of a command and for starting again. They are not part of the job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    progress: Literal["auto", "bar", "log", "json", "none"] = Field(
        "auto",
        description="On standard error; auto: a bar on a terminal, a line every 10 s elsewhere; json: one event per "
        "line",
    )
    as_json: bool = Field(False, alias="json", description="The summary as one JSON object on standard output")
    quiet: bool = Field(False, description="Only errors on standard error")
    verbose: Annotated[int, BeforeValidator(_switch_count), Field(ge=0)] = Field(
        0, description="More log on standard error"
    )
    log_file: File | None = Field(
        None, description="Append the log and the summary to this file, also with -q [default: none]"
    )
    fresh: bool = Field(
        False, description="Set an existing run directory aside (renamed, never deleted) and start anew"
    )
    dry_run: bool = Field(False, description="Only check, show the first requests and estimate calls and duration")

    @model_validator(mode="after")
    def _check_conflicts(self, info: ValidationInfo) -> "RunFlags":
        name = field_namer(info, option_name)
        if self.quiet and self.verbose:
            text = f"{name('quiet')} and {name('verbose')} contradict each other; leave one of them out"
            raise_conflicts([Conflict(("quiet", "verbose"), text)], info)
        return self


RUN_FLAGS = {info.alias or name: info for name, info in RunFlags.model_fields.items()}
"""The fields by the long name of their option."""
