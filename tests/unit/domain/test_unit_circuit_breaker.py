"""When failures open the circuit, and how the service is probed then."""

from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.circuit_breaker import FAILURES_TO_OPEN, FIRST_PROBE_DELAY, MAX_PROBE_DELAY, CircuitBreaker

CHANCE = st.floats(0, 1, exclude_max=True)


def opened(now: float = 100.0) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.on_failure(now, 0.0)
    return breaker


def test_the_circuit_is_closed_at_first() -> None:
    breaker = CircuitBreaker()
    assert (breaker.since, breaker.is_open, breaker.seconds_until_probe(0.0)) == (None, False, 0.0)


def test_a_few_failures_do_not_open_it_and_one_more_in_a_row_does() -> None:
    breaker = CircuitBreaker()
    for n in range(FAILURES_TO_OPEN - 1):
        breaker.on_failure(100.0 + n, 0.5)
        assert not breaker.is_open
        assert breaker.seconds_until_probe(100.0 + n) == 0.0
    breaker.on_failure(103.0, 0.5)
    assert breaker.is_open
    assert breaker.since == 100.0
    assert breaker.seconds_until_probe(103.0) > 0


@given(st.lists(st.booleans(), max_size=40))
def test_it_opens_after_exactly_that_many_failures_without_a_success(outcomes: list[bool]) -> None:
    breaker, in_a_row = CircuitBreaker(), 0
    for now, success in enumerate(outcomes):
        in_a_row = 0 if success else in_a_row + 1
        if success:
            breaker.on_success()
        else:
            breaker.on_failure(float(now), 0.0)
        assert breaker.is_open == (in_a_row >= FAILURES_TO_OPEN)
        assert breaker.since == (None if in_a_row == 0 else now - in_a_row + 1)


@given(st.lists(CHANCE, min_size=1, max_size=30))
def test_probes_back_off_to_half_a_minute_with_jitter(chances: list[float]) -> None:
    breaker, now, full = opened(), 100.0, FIRST_PROBE_DELAY
    now += breaker.seconds_until_probe(now)
    for chance in chances:
        full = min(full * 2, MAX_PROBE_DELAY)
        breaker.on_failure(now, chance)
        delay = breaker.seconds_until_probe(now)
        assert 0.8 * full * (1 - 1e-9) <= delay <= full * (1 + 1e-9)
        now += delay
        assert breaker.seconds_until_probe(now) == 0.0


def test_answers_to_earlier_requests_do_not_move_the_probe() -> None:
    breaker = opened()
    delay = breaker.seconds_until_probe(100.0)
    for _ in range(100):
        breaker.on_failure(100.0, 0.9)
    assert breaker.seconds_until_probe(100.0) == delay


def test_one_success_closes_it_and_resets_the_delays() -> None:
    breaker = opened()
    for now in range(200, 2000, 100):
        breaker.on_failure(float(now), 0.0)
    breaker.on_success()
    assert (breaker.since, breaker.is_open, breaker.seconds_until_probe(0.0)) == (None, False, 0.0)
    for _ in range(FAILURES_TO_OPEN):
        breaker.on_failure(5000.0, 0.0)
    assert breaker.seconds_until_probe(5000.0) <= FIRST_PROBE_DELAY
    assert breaker.since == 5000.0


def test_a_failure_that_may_be_the_fault_of_one_run_does_not_open_it() -> None:
    breaker = CircuitBreaker()
    for n in range(10 * FAILURES_TO_OPEN):
        breaker.on_failure(100.0 + n, 0.5, opens=False)
    assert not breaker.is_open
    assert breaker.probe_number == 0
    assert breaker.seconds_until_probe(200.0) == 0.0
    assert breaker.since == 100.0, "the service has not answered well since"
    for n in range(FAILURES_TO_OPEN - 1):
        breaker.on_failure(200.0 + n, 0.5)
    assert not breaker.is_open, "only the others count"
    breaker.on_failure(210.0, 0.5)
    assert breaker.is_open


def test_such_a_failure_prolongs_an_outage() -> None:
    breaker = opened(100.0)
    now = 100.0 + breaker.seconds_until_probe(100.0)
    breaker.on_failure(now, 0.0, opens=False)
    assert breaker.is_open
    assert breaker.since == 100.0
    assert breaker.probe_number == 2
    assert breaker.seconds_until_probe(now) > FIRST_PROBE_DELAY
    breaker.on_success()
    assert breaker.seconds_until_probe(now) == 0.0
    breaker.on_failure(now, 0.0)
    assert breaker.since == now


@given(st.lists(st.sampled_from(["success", "opens", "one run"]), max_size=40))
def test_only_failures_that_count_open_it(outcomes: list[str]) -> None:
    breaker, counted = CircuitBreaker(), 0
    for now, outcome in enumerate(outcomes):
        if outcome == "success":
            counted = 0
            breaker.on_success()
        else:
            counted += outcome == "opens"
            breaker.on_failure(float(now), 0.0, opens=outcome == "opens")
        assert breaker.is_open == (counted >= FAILURES_TO_OPEN)
        assert (breaker.since is None) == (outcome == "success")
