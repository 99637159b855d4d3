"""When failures are an outage, and how it is probed."""

from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.circuit_breaker import FIRST_PROBE, IN_A_ROW, LONGEST_PROBE, CircuitBreaker

CHANCE = st.floats(0, 1, exclude_max=True)


def out(now: float = 100.0) -> CircuitBreaker:
    outage = CircuitBreaker()
    for _ in range(IN_A_ROW):
        outage.on_failure(now, 0.0)
    return outage


def test_all_is_well_at_first() -> None:
    outage = CircuitBreaker()
    assert (outage.since, outage.is_open, outage.seconds_until_probe(0.0)) == (None, False, 0.0)


def test_a_few_failures_are_none_and_some_more_in_a_row_are() -> None:
    outage = CircuitBreaker()
    for n in range(IN_A_ROW - 1):
        outage.on_failure(100.0 + n, 0.5)
        assert not outage.is_open
        assert outage.seconds_until_probe(100.0 + n) == 0.0
    outage.on_failure(103.0, 0.5)
    assert outage.is_open
    assert outage.since == 100.0
    assert outage.seconds_until_probe(103.0) > 0


@given(st.lists(st.booleans(), max_size=40))
def test_it_is_declared_exactly_after_so_many_failures_with_no_success_between(fates: list[bool]) -> None:
    outage, in_a_row = CircuitBreaker(), 0
    for now, good in enumerate(fates):
        in_a_row = 0 if good else in_a_row + 1
        if good:
            outage.on_success()
        else:
            outage.on_failure(float(now), 0.0)
        assert outage.is_open == (in_a_row >= IN_A_ROW)
        assert outage.since == (None if in_a_row == 0 else now - in_a_row + 1)


@given(st.lists(CHANCE, min_size=1, max_size=30))
def test_probes_back_off_to_half_a_minute_with_jitter(chances: list[float]) -> None:
    outage, now, full = out(), 100.0, FIRST_PROBE
    now += outage.seconds_until_probe(now)
    for chance in chances:
        full = min(full * 2, LONGEST_PROBE)
        outage.on_failure(now, chance)
        seconds_until_probe = outage.seconds_until_probe(now)
        assert 0.8 * full * (1 - 1e-9) <= seconds_until_probe <= full * (1 + 1e-9)
        now += seconds_until_probe
        assert outage.seconds_until_probe(now) == 0.0


def test_answers_of_requests_that_left_before_do_not_move_the_probe() -> None:
    outage = out()
    seconds_until_probe = outage.seconds_until_probe(100.0)
    for _ in range(100):
        outage.on_failure(100.0, 0.9)
    assert outage.seconds_until_probe(100.0) == seconds_until_probe


def test_one_success_ends_it_and_the_next_one_starts_from_the_beginning() -> None:
    outage = out()
    for now in range(200, 2000, 100):
        outage.on_failure(float(now), 0.0)
    outage.on_success()
    assert (outage.since, outage.is_open, outage.seconds_until_probe(0.0)) == (None, False, 0.0)
    for _ in range(IN_A_ROW):
        outage.on_failure(5000.0, 0.0)
    assert outage.seconds_until_probe(5000.0) <= FIRST_PROBE
    assert outage.since == 5000.0
