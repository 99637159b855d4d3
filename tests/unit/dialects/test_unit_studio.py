"""The differences between the dialect of the self-hosted server and that of the cloud."""

import pytest

from batchrun.dialects.base import ApiRequest, SubmitOptions
from batchrun.dialects.studio import Studio
from batchrun.domain.answers import AcceptedAnswer, Inconclusive, Phase, RefusalKind
from batchrun.domain.echoes import echoed_inputs
from tests.support.recorded import recorded
from tests.unit.dialects.spoken import Spoken, refused

RUN = "7563016372343701504"

dialect = Studio()
spoken = Spoken(dialect)


def test_the_version_has_another_name() -> None:
    options = SubmitOptions("b", "a", "v0.0.5", {"user_id": "u"})
    more = {"bot_id": "b", "app_id": "a", "version": "v0.0.5", "ext": {"user_id": "u"}}
    assert (
        Spoken(dialect.with_options(options)).sent({})
        == {"workflow_id": "w", "parameters": {}, "is_async": True} | more
    )


def test_a_poll_has_the_workflow_and_the_run_as_parameters() -> None:
    asked = ApiRequest("GET", f"/v1/workflow/get_run_history?workflow_id=75%2F1+2&execute_id={RUN}")
    assert dialect.poll_request("75/1 2", RUN) == asked
    assert dialect.history_request(RUN, {"workflow_id": "75/1 2", "status": None}) == asked


def test_the_default_address_is_that_of_its_documentation() -> None:
    assert dialect.default_base_url == "http://localhost:8888"


def test_an_accepted_run() -> None:
    answer = spoken.submit(recorded("studio", "accepted"))
    assert isinstance(answer, AcceptedAnswer)
    assert answer.run_id == RUN


def test_a_synchronous_run() -> None:
    ended = spoken.ended(recorded("studio", "sync_completed"))
    assert (ended.run_id, ended.state.phase, ended.state.output) == (RUN, Phase.COMPLETED, '"你好"')
    assert ended.state.details is not None
    assert ended.state.details.total_tokens == 7
    failed = spoken.ended(recorded("studio", "sync_failed"))
    assert (failed.run_id, failed.state.phase, failed.state.error_code) == (None, Phase.FAILED, "720701013")


@pytest.mark.parametrize(
    ("name", "word", "phase"),
    [
        ("poll_success", "Success", Phase.COMPLETED),
        ("poll_running", "Running", Phase.RUNNING),
        ("poll_failed", "Fail", Phase.FAILED),
        ("poll_cancelled", "Cancel", Phase.FAILED),
        ("poll_interrupted", "<UNSET>", Phase.INTERRUPTED),
    ],
)
def test_the_status_of_a_run(name: str, word: str, phase: Phase) -> None:
    found = spoken.state(recorded("studio", name))
    assert (found.phase, found.status, found.created_at) == (phase, word, 1760941234_000)
    assert found.details is not None
    assert found.details.log_id == "021760000000000ab"


def test_the_output_has_one_layer() -> None:
    assert spoken.state(recorded("studio", "poll_success")).output == '{"output":"hello"}'
    own = {"data": [{"execute_status": "Success", "output": '{"Output":"x"}'}]}
    assert spoken.state(own).output == '{"Output":"x"}', "this is a variable of the workflow"


def test_the_error_of_a_run() -> None:
    found = spoken.state(recorded("studio", "poll_failed"))
    assert (found.error_code, found.error_message) == ("720701013", "node LLM: timeout")
    waits = spoken.state(recorded("studio", "poll_interrupted"))
    assert waits.error_message == "the run waits for a person and does not continue by itself"


def test_a_run_that_does_not_exist() -> None:
    found = refused(spoken.poll(recorded("studio", "poll_gone")))
    assert (found.kind, found.code) == (RefusalKind.GONE, "777777775")
    assert "no run with this execute_id" in found.message


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("bad_token", 200, RefusalKind.CREDENTIALS),
        ("missing_session_401", 401, RefusalKind.CREDENTIALS),
        ("refused", 200, RefusalKind.ROW),
        ("not_published", 200, RefusalKind.CONFIGURATION),
    ],
)
def test_its_errors(name: str, status: int, kind: RefusalKind) -> None:
    found = refused(spoken.submit(recorded("studio", name), status))
    assert found.kind is kind
    assert "--api studio" not in found.message
    assert dialect.foreign_api(status, recorded("studio", name)) is None


def test_a_panic_proves_nothing() -> None:
    assert isinstance(spoken.submit({"code": 500, "msg": "internal server error"}, 500), Inconclusive)
    assert isinstance(spoken.submit(b"goroutine 1 [running]:", 500), Inconclusive)


def test_what_a_record_says_about_its_run() -> None:
    identity = spoken.state(recorded("studio", "poll_success")).identity
    assert identity.run_id == RUN, "the ID is a number in a poll"
    assert echoed_inputs(identity.inputs) == {"input": "hi"}
