"""What the workflow declares is compared with what is sent, before anything is paid for."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.support import command
from tests.support.coze_service import Service, serving


def batchrun(*arguments: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return command.batchrun(*arguments, cwd=cwd, env=command.environment(BATCHRUN_API="auto"))


def workflow(version: str = "v1", **inputs: str) -> tuple[int, dict[str, Any]]:
    """The description of a workflow with these inputs, all of them required, by name and type."""
    parameters = {name: {"type": kind, "required": True} for name, kind in inputs.items()}
    detail = {"workflow_id": "7412", "workflow_name": "greeter", "version": version}
    return 200, {"code": 0, "msg": "", "data": {"workflow_detail": detail, "input": {"parameters": parameters}}}


def job(tmp_path: Path, url: str, text: str) -> tuple[object, ...]:
    (tmp_path / "rows.csv").write_text(text)
    return "rows.csv", "--workflow-id", "7412", "--base-url", url, "--poll-initial", "0.1"


def test_text_for_a_declared_number_is_read_as_one_and_stays_so(tmp_path: Path) -> None:
    service = Service()
    service.probe = workflow(text="string", n="integer", share="number", on="boolean")
    with serving(service) as url:
        options = job(tmp_path, url, "text,n,share,on\n7,5,0.5,true\n8,many,1,false\n9,6,,true\n")
        ended = batchrun("run", *options, cwd=tmp_path)
        assert ended.returncode == 3, ended.stderr
        assert "--type n=int, --type share=float, --type on=bool" in ended.stderr
        assert "column 'n': some cells are no int" in ended.stderr
        assert "column 'share'" not in ended.stderr
        assert list(service.runs.values()) == [
            {"text": "7", "n": 5, "share": 0.5, "on": True},
            {"text": "9", "n": 6, "share": None, "on": True},
        ]
        (error,) = pq.read_table(tmp_path / "rows-run" / "errors.parquet").to_pylist()
        assert (error["row"], error["error_kind"]) == (1, "input")
        service.probe = workflow(text="string", n="string", share="string", on="string")
        assert batchrun("run", *options, cwd=tmp_path).returncode == 3
        other = batchrun("run", *options, "--type", "n=str", cwd=tmp_path)
        assert other.returncode == 2
        assert "--type" in other.stderr
    assert service.posts == 2
    assert pq.read_schema(tmp_path / "rows-run" / "outputs.parquet").field("on").type == "bool"


def test_a_file_that_states_its_types_keeps_them(tmp_path: Path) -> None:
    service = Service()
    service.probe = workflow(text="string", n="integer")
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "n": "5"}\n')
    with serving(service) as url:
        ended = batchrun("run", "rows.jsonl", "--workflow-id", "7412", "--base-url", url, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert list(service.runs.values()) == [{"text": "a", "n": "5"}]


def test_a_new_version_of_the_workflow_is_reported(tmp_path: Path) -> None:
    service = Service()
    service.probe, service.state = workflow("v0.0.1", text="string"), "Running"
    with serving(service) as url:
        options = job(tmp_path, url, "text\na\nb\n")
        assert batchrun("run", *options, "--max-runtime", "1", cwd=tmp_path).returncode == 75
        service.probe, service.state = workflow("v0.0.2", text="string"), "Success"
        ended = batchrun("run", *options, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "it was version v0.0.1, now it is v0.0.2" in ended.stderr


def test_inputs_that_no_longer_fit_stop_submissions_and_collect_the_runs(tmp_path: Path) -> None:
    service = Service()
    service.probe, service.state = workflow(text="string"), "Running"
    with serving(service) as url:
        options = job(tmp_path, url, "text\na\nb\nc\n")
        batchrun("run", *options, "--max-runtime", "1", "--rps", "10", "-j", "2", cwd=tmp_path)
        assert service.posts == 2
        service.probe, service.state = workflow(text="string", tone="string"), "Success"
        ended = batchrun("run", *options, cwd=tmp_path)
        assert ended.returncode == 4, ended.stderr
        assert "the workflow requires the input 'tone'" in ended.stderr
        assert service.posts == 2
        assert len(pq.read_table(tmp_path / "rows-run" / "outputs.parquet")) == 2
        service.probe = workflow(text="string")
        assert batchrun("resume", "rows-run", cwd=tmp_path).returncode == 0
    assert service.posts == 3


def test_a_workflow_that_is_refused_later_stops_submissions_and_collects_the_runs(tmp_path: Path) -> None:
    service = Service()
    service.probe, service.state = workflow(text="string"), "Running"
    with serving(service) as url:
        options = job(tmp_path, url, "text\na\nb\nc\n")
        batchrun("run", *options, "--max-runtime", "1", "--rps", "10", "-j", "2", cwd=tmp_path)
        assert service.posts == 2
        service.probe, service.state = (200, {"code": 4200, "msg": "workflow not published"}), "Success"
        ended = batchrun("resume", "rows-run", "--max-runtime", "30", cwd=tmp_path)
        assert ended.returncode == 4, ended.stderr
        assert "the service refused the workflow" in ended.stderr
    assert service.posts == 2
    assert len(pq.read_table(tmp_path / "rows-run" / "outputs.parquet")) == 2


def test_a_check_shows_the_workflow_and_starts_nothing(tmp_path: Path) -> None:
    service = Service()
    service.probe = workflow("v0.0.5", text="string", n="integer")
    with serving(service) as url:
        options = job(tmp_path, url, "text,n\na,5\n")
        found = batchrun("check", *options, cwd=tmp_path)
        assert found.returncode == 0, found.stderr
        assert "greeter, version v0.0.5; declares text (string, required), n (integer, required)" in found.stdout
        assert "--api open" in found.stdout
        assert "--type n=int" in found.stderr
        told = json.loads(batchrun("check", *options, "--json", cwd=tmp_path).stdout)
        assert (told["api"], told["workflow"]["inputs"]["n"]["type"]) == ("open", "integer")
        assert json.loads(told["bodies"][0])["parameters"] == {"text": "a", "n": 5}
        missing = batchrun("check", *options, "--skip", "n", cwd=tmp_path)
        assert missing.returncode == 2
        assert "the workflow requires the input 'n' (integer)" in missing.stderr
        synchronous = batchrun("check", *options, "--mode", "sync", cwd=tmp_path)
        assert "drops the connection after 90 s" in synchronous.stdout
        service.probe = (200, {"code": 4100, "msg": "token"})
        refused = batchrun("check", *options, cwd=tmp_path)
        assert refused.returncode == 2
        assert "4100" in refused.stderr
        (tmp_path / "rows.csv").write_text("text,n\na,5\nb,many\n")
        service.probe = workflow("v0.0.5", text="string", n="integer")
        unsendable = batchrun("check", *options, cwd=tmp_path)
        assert unsendable.returncode == 3
        assert "line 3 (row 1): input 'n'" in unsendable.stdout
        ended = batchrun("run", *options[:3], "--base-url", "http://127.0.0.1:9", "--dry-run", cwd=tmp_path)
        assert ended.returncode == 0
        assert ended.stdout.count("s --base-url right?") == 1
    assert service.posts == 0
    assert not (tmp_path / "rows-run").exists()


def test_a_job_that_met_another_api_sends_no_more_until_it_is_named(tmp_path: Path) -> None:
    service = Service()
    service.probe = (404, {"error": {"code": "NOT_FOUND", "message": "no such path"}})
    with serving(service) as url:
        options = job(tmp_path, url, "text\na\nb\nc\n")
        stopped = batchrun("run", *options, cwd=tmp_path)
        assert (stopped.returncode, service.posts) == (4, 1), stopped.stderr
        for again in (("run", *options), ("resume", "rows-run"), ("run", *options, "--api", "v1")):
            asked = len(service.asked)
            ended = batchrun(*again, cwd=tmp_path)
            assert (ended.returncode, len(service.asked)) == (4, asked), ended.stderr
            assert "use --api open" in ended.stderr
            assert "To continue: batchrun resume rows-run --api open" in ended.stderr
        service.probe = workflow(text="string")
        ended = batchrun("resume", "rows-run", "--api", "open", cwd=tmp_path)
        assert (ended.returncode, service.posts) == (3, 3), ended.stderr  # the first row is in doubt
        assert batchrun("resume", "rows-run", cwd=tmp_path).returncode == 3
        other = batchrun("run", *options, "--api", "v1", cwd=tmp_path)
        assert other.returncode == 2
        assert "was: --api open; now: --api v1" in other.stderr
    assert service.posts == 3


def test_a_night_reuses_what_an_earlier_one_has_completed_whatever_named_its_api(tmp_path: Path) -> None:
    service = Service()
    service.probe = workflow(text="string")
    with serving(service) as url:
        options = (*job(tmp_path, url, "id,text\n1,a\n2,b\n"), "--key", "id", "--param", "text=text")
        assert batchrun("run", *options, "-o", "monday", cwd=tmp_path).returncode == 0
        ended = batchrun("run", *options, "-o", "tuesday", "--reuse", "monday", cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        assert service.posts == 2
        service.probe = (404, {"error": {"code": "NOT_FOUND", "message": "no such path"}})
        other = batchrun("run", *options, "-o", "wednesday", "--reuse", "monday", cwd=tmp_path)
        assert other.returncode == 2, other.stderr
        assert "was: --api open; now: --api v1" in other.stderr
        service.probe = workflow(text="string")
        assert batchrun("run", *options, "-o", "wednesday", "--reuse", "monday", cwd=tmp_path).returncode == 0
    assert service.posts == 2


def test_a_job_of_which_nothing_was_sent_may_be_corrected_in_its_directory(tmp_path: Path) -> None:
    service = Service()
    service.probe = (200, {"code": 4200, "msg": "workflow not published"})
    with serving(service) as url:
        options = job(tmp_path, url, "text\na\nb\n")
        wrong = batchrun("run", options[0], "--workflow-id", "9", *options[3:], cwd=tmp_path)
        assert (wrong.returncode, service.posts) == (4, 0)
        service.probe = workflow(text="string")
        assert batchrun("check", *options, cwd=tmp_path).returncode == 0
        assert batchrun("run", *options, cwd=tmp_path).returncode == 0
        changed = batchrun("run", options[0], "--workflow-id", "9", *options[3:], cwd=tmp_path)
        assert changed.returncode == 2
        assert "was: --workflow-id 7412; now: --workflow-id 9" in changed.stderr
    assert service.posts == 2


def test_the_self_hosted_server_is_recognised_after_one_run(tmp_path: Path) -> None:
    service = Service()
    service.probe = workflow(text="string")
    service.poll = (200, {"code": 700012006, "msg": "authentication failed: missing session_key in cookie"})
    with serving(service) as url:
        options = job(tmp_path, url, "text\n" + "a\n" * 30)
        for again in (("run", *options, "--rps", "100"), ("resume", "rows-run"), ("resume", "rows-run")):
            ended = batchrun(*again, cwd=tmp_path)
            assert ended.returncode == 4, ended.stderr
            assert "use --api studio" in ended.stderr
            assert "To continue: batchrun resume rows-run --api studio" in ended.stderr
            assert service.posts == 1


def test_a_workflow_that_is_not_described_is_run_all_the_same(tmp_path: Path) -> None:
    service = Service()
    service.probe = (200, {"code": 702093018, "msg": "metadata is not available for this workflow"})
    with serving(service) as url:
        ended = batchrun("run", *job(tmp_path, url, "text\na\n"), cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "cannot be compared beforehand" in ended.stderr
    assert "metadata is not available" in ended.stderr


def test_names_that_a_terminal_cannot_take_are_escaped(tmp_path: Path) -> None:
    service = Service()
    status, description = workflow(text="string", **{"q\ud800": "string"})
    description["data"]["workflow_detail"]["workflow_name"] = "\x1b[2Jgreeter"
    service.probe = (status, description)
    with serving(service) as url:
        found = batchrun("check", *job(tmp_path, url, "text\na\n"), "--const", "q=1", cwd=tmp_path)
    assert found.returncode == 2, found.stderr
    assert "the workflow requires the input 'q\\\\ud800'" in found.stderr
    assert "\x1b[2J" not in found.stderr + found.stdout


def test_each_workflow_of_a_sweep_is_asked_for(tmp_path: Path) -> None:
    with command.simulator(tmp_path, "--api", "open") as service:
        given = (*job(tmp_path, service.base_url, "id\n1\n"), "--api", "open", "--repeat", 2)
        for workflows, named in (("echo,nope", "nope"), ("echo,penguin", "penguin")):
            vary = ("--vary", f"workflow-id={workflows}")
            checked = batchrun("check", *given, *vary, cwd=tmp_path)
            assert (checked.returncode, named in checked.stderr) == (2, True), checked.stderr
            ended = batchrun("run", *given, *vary, "--fresh", cwd=tmp_path)
            assert ended.returncode in {2, 4}, ended.stderr
        checked = batchrun("check", *given, "--vary", "workflow-id=echo,flaky", cwd=tmp_path)
        assert "to workflow echo, flaky at" in checked.stdout, checked.stderr
        assert service.stats()["posts"] == 0
