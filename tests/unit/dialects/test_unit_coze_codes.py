"""The error codes of the cloud and of the self-hosted server, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.dialects.coze_codes import ADVICE, GONE, INTERRUPTED, KINDS, code_kind, is_error_code
from batchrun.domain.answers import RefusalKind

DOCUMENTED = {
    RefusalKind.THROTTLED: "4009 4013 4020",
    RefusalKind.BUSY: "5000 720701013 720701001 720701002 4102",
    RefusalKind.QUOTA: "4008 4011 4019 4022 4027 4028 788788103",
    RefusalKind.CREDENTIALS: "4100 700012006",
    RefusalKind.CONFIGURATION: "4101 6003 4200 6031 720702011 4015 4021",
    RefusalKind.ROW: "4000 720702001 720702002 720712014 4010 4014 4105 4300 4305 4309 "
    "6006 720702085 6023 777777776 6039 720702078",
}


@pytest.mark.parametrize(
    ("kind", "code"), [(kind, code) for kind, codes in DOCUMENTED.items() for code in codes.split()]
)
def test_the_class_of_each_documented_code(kind: RefusalKind, code: str) -> None:
    assert code_kind(code, "whatever is said") is kind
    assert is_error_code(code)


@pytest.mark.parametrize("code", [None, "", "0", "4016", "6999", "200", "1.5", "OK"])
def test_an_undocumented_code_is_an_unknown_kind(code: str | None) -> None:
    assert code_kind(code, None) is None


def test_too_many_runs_are_known_by_their_message_alone() -> None:
    message = "Workflow asynchronous execution concurrency exceeds the maximum limit of 1000"
    for code in (None, "0", "4999", "4000", "702000000"):
        assert code_kind(code, message) is RefusalKind.THROTTLED
    assert code_kind("4000", "the maximum limit of 20 MB") is RefusalKind.ROW


@pytest.mark.parametrize("code", ["4000", "5000", "6999", "7000000", "70001200", "788788103"])
def test_codes_of_four_and_of_seven_to_nine_digits(code: str) -> None:
    assert is_error_code(code)


@pytest.mark.parametrize(
    "code",
    [None, "", "0", "00", "200", "429", "500", "3999", "7000", "40000", "0000001", "1000000000", "４０００", "-4000"],
)
def test_other_numbers_are_a_gateways(code: str | None) -> None:
    assert not is_error_code(code)


@given(st.text(max_size=12), st.none() | st.text(max_size=40))
def test_any_code_and_message_have_a_class_or_none(code: str, message: str | None) -> None:
    assert code_kind(code, message) in {*RefusalKind, None} - {RefusalKind.GONE}


def test_the_tables_agree() -> None:
    assert all(map(is_error_code, [*KINDS, *ADVICE, *GONE, *INTERRUPTED]))
    assert KINDS.keys() >= ADVICE.keys() | INTERRUPTED
    assert not KINDS.keys() & GONE.keys()


def test_the_advice_names_what_to_do() -> None:
    assert "--mode sync" in ADVICE["6003"]
    assert "7 days" in GONE["4314"]
    for code in ("4100", "4101"):
        assert {"api.coze.cn", "api.coze.com", "--base-url"} <= set(
            ADVICE[code].replace(",", "").replace(":", "").split()
        )
