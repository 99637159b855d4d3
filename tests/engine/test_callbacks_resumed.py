"""Callbacks over several sessions of a job."""

from pathlib import Path

import msgspec
import pytest

from batchrun.errors import InputError
from tests.engine.called_back import key_of
from tests.support.rehearsal import CALLED_BACK, Rehearsal


def test_after_a_kill_the_same_addresses_are_valid(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=30", "latency=1")
    rehearsal.run(kill_after=40, **CALLED_BACK)
    rehearsal.clock.jump(5)
    before = len(rehearsal.posts())
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.exit_code, summary.completed) == (0, 30), "also the 20 that were in doubt"
    assert len(rehearsal.posts()) == before == 30
    assert rehearsal.simulator.stats()["runs_repeated"] == 0


@pytest.mark.parametrize("changes", range(1, 60, 3))
def test_with_callbacks_a_kill_anywhere_loses_nothing_and_pays_for_nothing_twice(tmp_path: Path, changes: int) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=uniform:20,40", "latency=0.5", "lost=0.2", "callback_double=0.5")
    rehearsal.run(kill_after=changes, **CALLED_BACK)
    rehearsal.clock.jump(2)
    summary = rehearsal.run(**CALLED_BACK)
    assert summary.completed + summary.in_doubt == 12
    assert rehearsal.simulator.stats()["runs_repeated"] == 0
    sent = {rehearsal.row_of(body) for _, body in rehearsal.posts()}
    assert set(rehearsal.errors()) == set(range(12)) - sent, "only what was killed before its POST had left"


def test_callbacks_may_come_and_go_between_sessions(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 30, "duration=10")
    rehearsal.run(max_runtime="1s", rps=10, **CALLED_BACK)
    rehearsal.run(max_runtime="2s", rps=10)
    assert rehearsal.run(**CALLED_BACK).completed == 30
    addresses = [msgspec.json.decode(body).get("callback_url") for _, body in rehearsal.posts()]
    assert len(addresses) == 30
    assert 5 < addresses.count(None) < 20


def test_runs_that_ended_between_sessions_do_not_lower_the_trust_in_callbacks(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 220, "duration=30")
    rehearsal.run(max_runtime="5s", rps=10, **CALLED_BACK)
    rehearsal.clock.jump(600)
    summary = rehearsal.run(rps=10, **CALLED_BACK)
    assert summary.completed == 220
    assert summary.session.polls < 1.3 * 220


def test_the_secret_is_only_in_the_checkpoint(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run(**CALLED_BACK)
    key = key_of(rehearsal)
    assert len(key) == 64
    for path in (tmp_path / "job").iterdir():
        if not path.name.startswith("checkpoint"):
            assert key.encode() not in path.read_bytes()
    rehearsal.run(fresh=True, **CALLED_BACK)
    assert key_of(rehearsal) != key


def test_a_mistake_in_the_options_is_reported(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    with pytest.raises(InputError, match="--callback-url needs --callback-listen"):
        rehearsal.run(callback_url=CALLED_BACK["callback_url"])
    assert not rehearsal.requests
