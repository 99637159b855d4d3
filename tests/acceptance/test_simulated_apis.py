"""`batchrun simulate --api …`, driven by the official SDK and by whole jobs of the installed command."""

import asyncio
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.command import SECRET, Service, batchrun, environment, rows_file, simulator

with warnings.catch_warnings(record=True):  # its OAuth client uses a deprecated module
    cozepy = pytest.importorskip("cozepy")

INPUTS = {"city": "北京", "text": 'a "quoted" word'}
SLOW = ("--duration", "0.3")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with simulator(tmp_path, "--api", "open", *SLOW) as running:
        yield running


def _variables(output: str) -> Any:
    """The variables of the End node, in the layers of a poll."""
    return json.loads(json.loads(output)["Output"])


def test_the_synchronous_client_of_the_sdk(service: Service) -> None:
    with cozepy.SyncHTTPClient() as http:
        coze = cozepy.Coze(auth=cozepy.TokenAuth(SECRET), base_url=service.base_url, http_client=http)
        _drive(coze)


def _drive(coze: Any) -> None:
    ended = coze.workflows.runs.create(workflow_id="echo", parameters=INPUTS)
    assert json.loads(ended.data) == {"echo": INPUTS}
    assert ended.usage.token_count == ended.usage.input_count + ended.usage.output_count > 0

    started = coze.workflows.runs.create(workflow_id="echo", parameters=INPUTS, is_async=True)
    assert started.execute_id in started.debug_url
    asked = {"workflow_id": "echo", "execute_id": started.execute_id}
    running = coze.workflows.runs.run_histories.retrieve(**asked)
    assert running.execute_status == cozepy.WorkflowExecuteStatus.RUNNING
    while running.execute_status == cozepy.WorkflowExecuteStatus.RUNNING:
        running = coze.workflows.runs.run_histories.retrieve(**asked)
    assert running.execute_status == cozepy.WorkflowExecuteStatus.SUCCESS
    assert _variables(running.output) == {"echo": INPUTS}
    assert running.error_code == 0
    assert running.response.logid

    picture = b"\x89PNG\r\n\x1a\n\r\n--\n"
    uploaded = coze.files.upload(file=("picture.png", picture))
    assert (uploaded.bytes, uploaded.file_name) == (len(picture), "picture.png")
    assert uploaded.id.isdigit()
    reference = json.dumps({"file_id": uploaded.id})
    ended = coze.workflows.runs.create(workflow_id="file", parameters={"file": reference})
    assert json.loads(ended.data) == {"received": reference}

    for workflow_id, code in (("unknown", 4200), ("penguin", 4000)):
        with pytest.raises(cozepy.CozeAPIError) as refused:
            coze.workflows.runs.create(workflow_id=workflow_id, parameters=INPUTS)
        assert refused.value.code == code
        assert refused.value.logid
    with pytest.raises(cozepy.CozeAPIError) as refused:
        coze.workflows.runs.run_histories.retrieve(workflow_id="echo", execute_id="7")
    assert refused.value.code == 4314


def test_the_asynchronous_client_of_the_sdk(service: Service) -> None:
    async def client(http: Any) -> None:
        coze = cozepy.AsyncCoze(auth=cozepy.AsyncTokenAuth(SECRET), base_url=service.base_url, http_client=http)
        ended = await coze.workflows.runs.create(workflow_id="echo", parameters=INPUTS)
        assert json.loads(ended.data) == {"echo": INPUTS}
        started = await coze.workflows.runs.create(workflow_id="echo", parameters=INPUTS, is_async=True)
        running = cozepy.WorkflowExecuteStatus.RUNNING
        status = running
        while status == running:
            run = await coze.workflows.runs.run_histories.retrieve(workflow_id="echo", execute_id=started.execute_id)
            status = run.execute_status
        assert _variables(run.output) == {"echo": INPUTS}
        uploaded = await coze.files.upload(file=("notes.txt", b"text"))
        assert (uploaded.bytes, uploaded.file_name) == (4, "notes.txt")
        invalid = cozepy.AsyncTokenAuth("invalid")
        refused = cozepy.AsyncCoze(auth=invalid, base_url=service.base_url, http_client=http)
        with pytest.raises(cozepy.CozeAPIError) as error:
            await refused.workflows.runs.create(workflow_id="echo", parameters=INPUTS)
        assert error.value.code == 4100

    async def main() -> None:
        async with asyncio.timeout(60), cozepy.AsyncHTTPClient() as http:
            await client(http)

    asyncio.run(main())


@pytest.mark.parametrize(("api", "option"), [("open", ()), ("studio", ("--api", "studio"))])
def test_a_whole_job(api: str, option: tuple[str, ...], tmp_path: Path) -> None:
    rows = rows_file(tmp_path, 6)
    fault = "fail:id=4"
    with simulator(tmp_path, "--api", api, "--duration", "0.2", "--fault", fault) as running:
        job = ("run", rows, "--workflow-id", "echo", "--base-url", running.base_url, "-o", "job", "--rps", 50)
        done = batchrun(*job, *option, cwd=tmp_path, env=environment(BATCHRUN_API="auto"))
        assert done.returncode == 3, done.stderr
        assert "declares no input" not in done.stderr
        assert running.stats()["runs"] == running.stats()["posts"] > 5
    table = pq.read_table(tmp_path / "job" / "outputs.parquet").to_pylist()
    outputs = {row["row"]: json.loads(row["output"]) for row in table}
    assert outputs == {
        number: {"echo": {"id": str(number), "text": f"row {number}"}} for number in range(6) if number != 4
    }
    assert all(row["run_id"].isdigit() for row in table)
    [failed] = pq.read_table(tmp_path / "job" / "errors.parquet").to_pylist()
    assert (failed["row"], failed["error_code"]) == (4, "720701013")


@pytest.mark.parametrize("api", ["open", "studio"])
def test_a_rehearsal_speaks_the_api_of_the_job(api: str, tmp_path: Path) -> None:
    rows = rows_file(tmp_path, 2)
    sim = ("--simulate", "--sim", "duration=0.1", "--api", api)
    done = batchrun("run", rows, "--workflow-id", "mine", "-o", "job", *sim, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "job" / "outputs.parquet").to_pylist()
    assert [(row["row"], row["run_id"].isdigit()) for row in table] == [(0, True), (1, True)]
