"""Actors that do not start: the job goes on without them, or says why it has none. Ray is a fake, in virtual time."""

import asyncio
import logging
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from batchrun.cluster import ray_workers
from batchrun.cluster.ray_workers import START_SECONDS, workers_on_ray
from batchrun.cluster.worker_process import Hello, Start, hello
from batchrun.errors import InputError, WorkersError
from tests.support.virtual import run_virtual


class FakeRayError(Exception):
    """Implements `ray.exceptions.RayError`."""


class FakeRay:
    """As much of Ray as starting takes. `greetings`: what each actor answers; None: it never does."""

    exceptions = SimpleNamespace(RayError=FakeRayError)

    def __init__(self, greetings: Sequence[Hello | Exception | None]) -> None:
        self._greetings = list(greetings)
        self.killed = 0
        self.started = 0
        self.is_shut_down = False

    def init(self, **_options: object) -> None:
        """Ray's."""

    def shutdown(self) -> None:
        """Ray's: it prints lines that were held back as repetitions, in the thread of the caller."""
        sys.stdout.write("(raylet) A worker died [repeated 2x across cluster]\n")
        self.is_shut_down = True

    def kill(self, _actor: object, *, no_restart: bool) -> None:
        """Ray's."""
        assert no_restart
        self.killed += 1

    def remote(self, _class: object) -> Any:
        """Ray's."""
        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self._actor))

    def _actor(self) -> Any:
        greeting = self._greetings.pop(0)

        async def answer() -> Hello:
            if greeting is None:
                await asyncio.Event().wait()
            if isinstance(greeting, Exception):
                raise greeting
            return cast("Hello", greeting)

        def run(_start: Start) -> None:
            self.started += 1

        return SimpleNamespace(hello=SimpleNamespace(remote=answer), run=SimpleNamespace(remote=run))


def links(ray: FakeRay, number: int, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], float]:
    """The names of the workers that start, and after how many seconds."""
    monkeypatch.setattr(ray_workers, "imported_ray", lambda _address: ray)

    async def start() -> tuple[list[str], float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with workers_on_ray(number, None, cast("Start", None)) as found:
            return list(found), loop.time() - began

    main: Coroutine[Any, Any, tuple[list[str], float]] = start()
    return run_virtual(main)


def test_the_job_goes_on_with_the_workers_that_have_started(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    ray = FakeRay([hello(), None, FakeRayError("no room\nand more")])
    with caplog.at_level(logging.WARNING, "batchrun"):
        names, seconds = links(ray, 3, monkeypatch)
    assert (names, ray.started) == (["w0"], 1)
    assert seconds == pytest.approx(START_SECONDS)
    assert "1 of 3 workers: the others have not started. no room" in caplog.text
    assert ray.killed == 3, "also the one that would start later"
    assert ray.is_shut_down
    assert capsys.readouterr().out == "", "only the summary belongs on standard output"


def test_with_no_worker_at_all_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for greeting, reason in (
        (None, "none has started within 60 s. Has the cluster a free CPU for each?"),
        (FakeRayError("the actor died"), "the actor died"),
    ):
        ray = FakeRay([greeting, greeting])
        with pytest.raises(WorkersError, match=f"no worker: {reason}"):
            links(ray, 2, monkeypatch)
        assert ray.killed == 2
        assert ray.is_shut_down


@pytest.mark.parametrize("other", [replace(hello(), python="3.9"), replace(hello(), version="0.1")])
def test_a_worker_with_another_version_is_refused(monkeypatch: pytest.MonkeyPatch, other: Hello) -> None:
    ray = FakeRay([other])
    with pytest.raises(InputError, match="it must be the same"):
        links(ray, 1, monkeypatch)
    assert (ray.started, ray.killed) == (0, 1)
