"""`--api auto`: the dialect is found out by one request that starts nothing, and pinned."""

import json
import subprocess
from pathlib import Path

import pyarrow.parquet as pq

from batchrun.views.next_step import CORRECT
from tests.support import command
from tests.support.coze_service import WORKFLOW, Service, serving


def batchrun(*arguments: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return command.batchrun(*arguments, cwd=cwd, env=command.environment(BATCHRUN_API="auto"))


def rows(tmp_path: Path, text: str = "text\na\nb\nc\n") -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    return path


def test_a_live_service_needs_no_option_but_token_and_workflow(tmp_path: Path) -> None:
    service = Service()
    with serving(service) as url:
        ended = batchrun("run", rows(tmp_path), "--workflow-id", " 7412 ", "--base-url", url, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        assert "--api open" in ended.stderr
        assert service.asked[0] == ("GET", "/v1/workflows/7412?include_input_output=true")
        again = batchrun("run", "rows.csv", "--workflow-id", "7412", "--base-url", url, cwd=tmp_path)
        assert again.returncode == 0
        assert service.posts == 3
        other = batchrun("run", "rows.csv", "--workflow-id", "7412", "--base-url", url, "--api", "v1", cwd=tmp_path)
        assert other.returncode == 2
        assert "was: --api open; now: --api v1" in other.stderr
    table = pq.read_table(tmp_path / "rows-run" / "outputs.parquet").to_pylist()
    assert [json.loads(row["output"])["echo"] for row in table] == ["a", "b", "c"]
    assert '"id": 12345678901234567890123' in table[0]["output"]


def test_a_service_without_that_request_speaks_the_documented_api(tmp_path: Path) -> None:
    service = Service()
    service.probe = (404, {"error": {"code": "NOT_FOUND", "message": "no such path"}})
    with serving(service) as url:
        ended = batchrun("run", rows(tmp_path), "--workflow-id", "7412", "--base-url", url, cwd=tmp_path)
    assert "--api v1" in ended.stderr
    assert ended.returncode == 4  # what it answers to the POST is not the documented API
    assert service.posts == 1


def test_what_settles_nothing_is_waited_out_and_nothing_is_pinned(tmp_path: Path) -> None:
    service = Service()
    service.probe = (502, {"message": "bad gateway"})
    with serving(service) as url:
        words = ("run", rows(tmp_path), "--workflow-id", "7412", "--base-url", url, "--max-outage", "1s")
        ended = batchrun(*words, cwd=tmp_path)
        assert ended.returncode == 75, ended.stderr
        assert "HTTP 502" in ended.stderr
        service.probe = (200, WORKFLOW)
        assert batchrun(*words, cwd=tmp_path).returncode == 0
    assert service.posts == 3


def test_a_refused_token_or_workflow_costs_nothing(tmp_path: Path) -> None:
    for code, words in ((4100, "refused the token"), (4200, "refused the workflow")):
        service = Service()
        service.probe = (200, {"code": code, "msg": "no", "detail": {"logid": "l"}})
        with serving(service) as url:
            out = ("-o", str(code))
            ended = batchrun("run", rows(tmp_path), "--workflow-id", "7412", "--base-url", url, *out, cwd=tmp_path)
        assert ended.returncode == 4, ended.stderr
        assert words in ended.stderr
        assert str(code) in ended.stderr
        assert service.posts == 0
        correct = f"{CORRECT}\n"
        assert ended.stderr.endswith(correct) == (code == 4200), "a token is corrected, and the job resumed"


def test_a_misspelt_input_costs_nothing_and_pins_nothing(tmp_path: Path) -> None:
    service = Service()
    with serving(service) as url:
        words = ("run", rows(tmp_path, "txt\na\nb\n"), "--workflow-id", "7412", "--base-url", url)
        ended = batchrun(*words, cwd=tmp_path)
        assert ended.returncode == 2, ended.stderr
        assert "did you mean 'text'? Use --rename text=txt" in ended.stderr
        assert service.posts == 0
        mended = batchrun(*words, "--rename", "text=txt", cwd=tmp_path)
        assert mended.returncode == 0, mended.stderr
    assert service.posts == 2


def test_the_address_of_a_page_is_taken_for_its_workflow(tmp_path: Path) -> None:
    service = Service()
    with serving(service) as url:
        page = "https://www.coze.cn/work_flow?space_id=1&workflow_id=7412"
        ended = batchrun("run", rows(tmp_path), "--workflow-id", page, "--base-url", url, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert service.asked[0][1].startswith("/v1/workflows/7412?")
