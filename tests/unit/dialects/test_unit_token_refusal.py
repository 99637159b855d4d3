"""Which answers refuse the token: by them it is renewed, and the request is sent again."""

import pytest

from batchrun.dialects import DIALECTS, Dialect
from tests.unit.dialects.spoken import body

EACH = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


@EACH
@pytest.mark.parametrize("code", [4100, 700012006])
@pytest.mark.parametrize("status", [200, 400, 403, 429, 500])
def test_a_code_refuses_the_token_under_any_status(dialect: Dialect, code: int, status: int) -> None:
    assert dialect.refuses_token(status, body({"code": code, "msg": "authentication is invalid"}))
    assert dialect.refuses_token(status, body({"code": str(code), "msg": "", "detail": {"logid": "l"}}))


@EACH
@pytest.mark.parametrize("said", [b"", b"no", b'{"error":{"code":"UNAUTHORIZED","message":"no"}}'])
def test_so_does_the_status(dialect: Dialect, said: bytes) -> None:
    assert dialect.refuses_token(401, said)


@EACH
@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, {"code": 0, "msg": "", "execute_id": "4100"}),
        (200, {"code": 0, "msg": "", "data": '{"code": 4100, "msg": "no"}'}),
        (200, {"code": 4101, "msg": "no permission, not 4100"}),
        (200, {"code": 4100}),
        (302, {"code": 4100, "msg": "no"}),
        (408, {"code": 4100, "msg": "no"}),
        (200, {"code": 700012006, "msg": "authentication failed: missing session_key in cookie"}),
    ],
)
def test_nothing_else_does(dialect: Dialect, status: int, answer: dict[str, object]) -> None:
    assert not dialect.refuses_token(status, body(answer))


@EACH
@pytest.mark.parametrize("named", [{"execute_id": "7413"}, {"debug_url": "https://www.coze.cn/work_flow"}])
def test_the_error_of_a_run_does_not_for_the_run_was_made(dialect: Dialect, named: dict[str, str]) -> None:
    assert not dialect.refuses_token(200, body({"code": 4100, "msg": "a plugin was refused", **named}))
