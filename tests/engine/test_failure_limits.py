"""What a job that stopped for `--max-failures` advises."""

from pathlib import Path

import pytest

from tests.support.rehearsal import Rehearsal


@pytest.mark.parametrize(("limit", "fail"), [(5, 0.3), ("20%", 0.3), ("20%", 0.7), ("50%", 1.0)])
def test_the_advice_lets_the_job_go_on(tmp_path: Path, limit: object, fail: float) -> None:
    rehearsal = Rehearsal(tmp_path, 100, f"fail={fail}", "duration=1")
    stopped = rehearsal.run(max_failures=limit, max_in_flight=4)
    assert stopped.exit_code == 4
    option, value = stopped.advised_options.split()
    assert option == "--max-failures"
    before = len(rehearsal.posts())
    rehearsal.run(max_failures=value, max_in_flight=4)
    assert len(rehearsal.posts()) > before


def test_the_advice_counts_the_rows_that_failed_while_it_drained(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 40, "fail=1", "duration=20")
    stopped = rehearsal.run(max_failures=3, max_in_flight=8)
    assert stopped.failed > 6, "so that twice the limit would not do"
    assert stopped.advised_options == f"--max-failures {stopped.failed + 3}"
    assert stopped.reason is not None
    assert stopped.reason.startswith(f"--max-failures 3 was reached: {stopped.failed} rows failed or timed out")
    going_on = rehearsal.run(max_failures=stopped.failed + 3, max_in_flight=1)
    assert going_on.failed == stopped.failed + 3


@pytest.mark.parametrize(("fail", "advised"), [(0.7, 99), (1.0, 100)])
def test_a_share_of_100_is_advised_only_where_no_lower_one_would_do(tmp_path: Path, fail: float, advised: int) -> None:
    stopped = Rehearsal(tmp_path, 100, f"fail={fail}", "duration=1").run(max_failures="5%", max_in_flight=4)
    assert stopped.advised_options == f"--max-failures {advised}%"
    assert stopped.reason is not None
    assert stopped.reason.endswith("(no limit)") == (advised == 100)
