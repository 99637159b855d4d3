"""The API of the self-hosted open-source server, coze-studio."""

from typing import ClassVar

from batchrun.dialects.base import ApiRequest, with_query
from batchrun.dialects.coze import CozeDialect
from batchrun.domain.answers import Phase


class Studio(CozeDialect):
    """The dialect of the self-hosted server. It has no documented upload, so files cannot be sent."""

    name = "studio"
    default_base_url = "http://localhost:8888"
    version_field = "version"
    phases: ClassVar = {
        "running": Phase.RUNNING,
        "success": Phase.COMPLETED,
        "fail": Phase.FAILED,
        "cancel": Phase.FAILED,
        "<unset>": Phase.INTERRUPTED,
    }
    outputs_by_node = False

    def poll_request(self, workflow_id: str, run_id: str) -> ApiRequest:
        """One path for all runs; the workflow and the run are parameters."""
        query = {"workflow_id": workflow_id, "execute_id": run_id}
        return ApiRequest("GET", with_query("/v1/workflow/get_run_history", query))
