"""The API of the self-hosted open-source server."""

from collections.abc import Mapping
from typing import ClassVar, Never

from batchrun.simulator.dialects.base import Action, Call
from batchrun.simulator.dialects.coze import RUN_FAILED, CozeService
from batchrun.simulator.replies import RefusedError, Reply, no_run, not_found
from batchrun.simulator.simulated_run import SimulatedRun
from batchrun.simulator.upload_body import UploadedFile

HISTORY = "/v1/workflow/get_run_history"


class Studio(CozeService):
    """Differs from the cloud in its polls and its codes. Its answers have all members, also those without a value."""

    log_header = "X_Log_ID"
    codes: ClassVar[Mapping[int, int]] = {**CozeService.codes, 401: 700012006}
    run_missing = 777777775

    def poll_call(self, path: str, query: Mapping[str, str]) -> Call | None:
        """The poll takes the workflow and the run as query parameters."""
        if path == HISTORY:
            return Call(Action.POLL, "GET", query.get("workflow_id", ""), query.get("execute_id", ""))
        return None

    def call(self, path: str, query: Mapping[str, str]) -> Call | None:
        """The common paths. The cloud's path of a poll does not exist here."""
        return None if "/run_histories/" in path else super().call(path, query)

    def accepted(self, run: SimulatedRun) -> Reply:
        """The id of the run as a string. Polls return it as a number."""
        return self._run_reply(run, None, None)

    def ended(self, run: SimulatedRun) -> Reply:
        """The output of the End node as a string."""
        if run.interrupted:
            return self._error(6039, "the workflow waits for a person", {"debug_url": self.debug_url(run)})
        if (message := self.error(run)) is not None:
            return self._error(RUN_FAILED, message, {"debug_url": self.debug_url(run)})
        return self._run_reply(run, self.output(run), "0.00000")

    def _run_reply(self, run: SimulatedRun, data: str | None, cost: str | None) -> Reply:
        answer = {
            "code": 0,
            "msg": None,
            "data": data,
            "token": None,
            "cost": cost,
            "debug_url": self.debug_url(run),
            "execute_id": run.run_id,
            "BaseResp": None,
        }
        return self.reply(answer)

    def unseen(self, call: Call) -> Reply:
        """The server reports that there is no such run."""
        raise no_run(call.run_id)

    def polled(self, run: SimulatedRun, call: Call, _query: Mapping[str, str]) -> Reply:
        """A list of one record, without a code."""
        if call.workflow_id != run.workflow_id:
            raise no_run(run.run_id)
        status = self.status(run)
        message = self.error(run) if status == "Fail" else None
        waits = run.interrupted and self._clock.now() >= run.ends_ms
        record = {
            "execute_id": int(run.run_id),
            "execute_status": "<UNSET>" if waits else status,
            "log_id": f"run{run.run_id}",
            "input": run.inputs,
            "output": self.output(run) if status == "Success" else "",
            "cost": "0.00000",
            "debug_url": self.debug_url(run),
            "create_time": run.created_ms // 1000,
            **({} if message is None else {"error_code": str(RUN_FAILED), "error_msg": message[:1000]}),
        }
        return self.reply({"data": [self.without_omitted(record)], "BaseResp": None})

    def uploaded(self, _file: UploadedFile) -> Never:
        """The server has no such path for tokens."""
        raise not_found("no such path")

    def refused(self, error: RefusedError) -> Reply:
        """A code and a message. Any unknown path demands a session of the web pages."""
        if error.missing == "path":
            return self._error(700012006, "authentication failed: missing session_key in cookie", {})
        headers = dict(error.headers)
        if self._options.throttle != "retry-after":
            headers.pop("retry_after", None)
        return self._error(self.code(error), str(error), {}, self.http_status(error), **headers)

    def _error(self, code: int, message: str, more: Mapping[str, object], status: int = 200, **headers: str) -> Reply:
        return self.reply({"code": code, "msg": message, **more}, status, **headers)
