"""The API of api.coze.cn and api.coze.com, which their SDKs use too."""

from typing import ClassVar

from batchrun.dialects.base import ApiRequest, FileLimits, path_segment
from batchrun.dialects.coze import CozeDialect
from batchrun.dialects.coze_answer import CozeAnswer
from batchrun.dialects.foreign_api import MISSING_SESSION
from batchrun.domain.answers import Phase, Refusal
from batchrun.domain.frozen import copied

_DAY_MS = 86_400_000


class Open(CozeDialect):
    """The dialect of the cloud."""

    name = "open"
    default_base_url = "https://api.coze.cn"
    default_total_rps: float | None = 50.0
    default_max_in_flight = 1000
    synchronous_limit: float | None = 90.0
    file_limits: FileLimits | None = FileLimits(max_bytes=512 * 1024 * 1024, kept_ms=88 * _DAY_MS)
    """Files are kept for three months, which are 89 days at least. A run may need its file for another day."""
    version_field = "workflow_version"
    phases: ClassVar = {"running": Phase.RUNNING, "success": Phase.COMPLETED, "fail": Phase.FAILED}
    outputs_by_node = True

    def poll_request(self, workflow_id: str, run_id: str) -> ApiRequest:
        """The record of a run is below its workflow."""
        return ApiRequest("GET", f"/v1/workflows/{path_segment(workflow_id)}/run_histories/{path_segment(run_id)}")

    def _poll_refusal(self, answer: CozeAnswer) -> Refusal | None:
        refusal = super()._poll_refusal(answer)
        if refusal is None or MISSING_SESSION not in refusal.message:
            return refusal
        return copied(refusal, names_other_api=True, advised_options="--api studio")

    def advice(self, code: str | None, message: str) -> str | None:
        """Also recognises the self-hosted server, which accepts the same submissions but has no such path."""
        if MISSING_SESSION in message:
            return "this is the self-hosted server; use --api studio"
        return super().advice(code, message)
