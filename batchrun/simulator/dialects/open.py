"""The API of api.coze.cn and api.coze.com."""

import re
from collections.abc import Mapping

import msgspec

from batchrun.simulator.dialects.base import Action, Call
from batchrun.simulator.dialects.coze import RUN_FAILED, CozeService, number_id
from batchrun.simulator.replies import RefusedError, Reply, no_run
from batchrun.simulator.simulated_run import SimulatedRun
from batchrun.simulator.upload_body import UploadedFile

UPLOAD = "/v1/files/upload"
_POLL = re.compile(r"/v1/workflows/(?P<workflow>.+)/run_histories/(?P<run>[^/]+)")


class Open(CozeService):
    """Errors under HTTP 200, and outputs in up to three layers of JSON."""

    log_header = "X_Tt_Logid"
    run_missing = 4314
    max_runs: int | None = 1000

    def call(self, path: str, query: Mapping[str, str]) -> Call | None:
        """The common paths, and the upload of a file."""
        return Call(Action.UPLOAD, "POST") if path == UPLOAD else super().call(path, query)

    def poll_call(self, path: str, _query: Mapping[str, str]) -> Call | None:
        """The path of a run is below that of its workflow."""
        found = _POLL.fullmatch(path)
        return Call(Action.POLL, "GET", found["workflow"], found["run"]) if found else None

    def accepted(self, run: SimulatedRun) -> Reply:
        """The id of the run, without a status."""
        return self.served({"debug_url": self.debug_url(run), "execute_id": run.run_id})

    def ended(self, run: SimulatedRun) -> Reply:
        """The output of the End node as a string. A poll wraps it in one more layer."""
        debug_url = self.debug_url(run)
        if run.interrupted:
            return self.served({"data": "", "debug_url": debug_url, "interrupt_data": _interrupt(run)})
        if (message := self.error(run)) is not None:
            return self._error(RUN_FAILED, message, {"debug_url": debug_url})
        return self.served({"data": self.output(run), "debug_url": debug_url, "usage": self._usage(run)})

    def unseen(self, _call: Call) -> Reply:
        """No record yet."""
        return self.served({"data": []})

    def polled(self, run: SimulatedRun, call: Call, _query: Mapping[str, str]) -> Reply:
        """A list of one record."""
        if call.workflow_id != run.workflow_id:
            raise no_run(run.run_id)
        log_id = self.new_log_id()
        record = self.without_omitted(self._record(run))
        return self.served({"detail": {"logid": log_id}, "data": [record]}, log_id)

    def _record(self, run: SimulatedRun) -> dict[str, object]:
        status = self.status(run)
        message = self.error(run) if status == "Fail" else None
        nodes = {"node_status": "{}", "Output": self.output(run) if status == "Success" else ""}
        waits = run.interrupted and self._clock.now() >= run.ends_ms
        return {
            "execute_id": run.run_id,
            "execute_status": status,
            "bot_id": "0",
            "connector_id": "1024",
            "connector_uid": "0",
            "run_mode": 2,
            "output": msgspec.json.encode(nodes).decode(),
            "create_time": run.created_ms // 1000,
            "update_time": (self._clock.now() if status == "Running" else run.ends_ms) // 1000,
            "error_code": "" if message is None else str(RUN_FAILED),
            "error_message": message or "",
            "logid": f"run{run.run_id}",
            "debug_url": self.debug_url(run),
            "usage": self._usage(run) if status == "Success" else _tokens(0, 0),
            "is_output_trimmed": False,
            "node_execute_status": {},
            **({"interrupt_data": _interrupt(run)} if waits else {}),
        }

    def uploaded(self, file: UploadedFile) -> tuple[str, Reply]:
        """The id of the file is a function of its content."""
        file_id = number_id(file.digest)
        described = {
            "id": file_id,
            "bytes": file.size,
            "file_name": file.name,
            "created_at": self._clock.now() // 1000,
        }
        return file_id, self.served({"data": described})

    def refused(self, error: RefusedError) -> Reply:
        """A code and a message; 429 with or without `Retry-After`."""
        headers = dict(error.headers)
        if self._options.throttle != "retry-after":
            headers.pop("retry_after", None)
        return self._error(self.code(error), str(error), {}, self.http_status(error), **headers)

    def _error(self, code: int, message: str, more: Mapping[str, object], status: int = 200, **headers: str) -> Reply:
        log_id = self.new_log_id()
        content = {"code": code, "msg": message, "detail": {"logid": log_id}, **more}
        return self.reply(content, status, log_id, **headers)

    def _usage(self, run: SimulatedRun) -> dict[str, int]:
        return _tokens(len(run.inputs), len(self.output(run)))


def _tokens(characters_in: int, characters_out: int) -> dict[str, int]:
    """About one token for four characters."""
    count_in, count_out = -(-characters_in // 4), -(-characters_out // 4)
    return {"input_count": count_in, "output_count": count_out, "token_count": count_in + count_out}


def _interrupt(run: SimulatedRun) -> dict[str, object]:
    return {"event_id": f"{run.run_id}/1", "type": 2, "data": "the simulator asks a question"}
