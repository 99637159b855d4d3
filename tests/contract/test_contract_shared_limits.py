"""Several jobs share their limits over real sockets, in virtual time: what they send together keeps the limit."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from batchrun.adapters.rate_limiter import NO_LIMIT, Pacer
from batchrun.adapters.shared_limits.election import Election
from batchrun.adapters.shared_limits.folder import file_stem, problem_of
from batchrun.adapters.shared_limits.member import PATIENCE, Member
from batchrun.adapters.shared_limits.peer import connect, listen
from batchrun.domain.leases import LEASE
from batchrun.errors import StorageError
from tests.contract.permit_log import Log, holds, most, virtual
from tests.support.virtual import VirtualClock


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder with a short name: that of a socket has 100 bytes at most."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


class _Job:
    """A job that sends as fast as its limiters allow, while `is_busy`. `times`: when its permits were granted."""

    def __init__(self, rate: float, total: float = NO_LIMIT * 10) -> None:
        self.total = Pacer(total, is_leased=True)
        self.pacer = Pacer(rate, self.total, is_leased=True)
        self.times = Log()
        self.is_busy = True

    async def send(self) -> None:
        while True:
            if self.is_busy:
                await self.times.one(self.pacer)
            else:
                await asyncio.sleep(0.05)

    async def share(self, folder: Path, clock: VirtualClock) -> None:
        await Member("quota", {"submissions": self.pacer, "total": self.total}, clock, folder).run()

    def sent(self, since: float, until: float) -> int:
        return sum(since <= time < until for time in self.times.times)


class _Stand:
    """Starts jobs and ends them."""

    def __init__(self, group: asyncio.TaskGroup, folder: Path) -> None:
        self._group, self._folder, self._clock = group, folder, VirtualClock()
        self._tasks: dict[_Job, list[asyncio.Task[None]]] = {}

    def start(self, rate: float, total: float = NO_LIMIT * 10) -> _Job:
        job = _Job(rate, total)
        job.times.start = min([other.times.start for other in self._tasks] or [job.times.start])
        work = (job.send(), job.share(self._folder, self._clock))
        self._tasks[job] = [self._group.create_task(one) for one in work]
        return job

    def end(self, *jobs: _Job) -> None:
        for job in jobs:
            for task in self._tasks[job]:
                task.cancel()

    @property
    def all_times(self) -> list[float]:
        return [time for job in self._tasks for time in job.times.times]


@asynccontextmanager
async def _stand(folder: Path) -> AsyncIterator[_Stand]:
    async with asyncio.TaskGroup() as group:
        stand = _Stand(group, folder)
        yield stand
        stand.end(*stand._tasks)


def test_two_busy_jobs_use_the_whole_limit_in_equal_parts(tmp_path: Path) -> None:
    async def main() -> None:
        async with _stand(tmp_path) as stand:
            one, two = stand.start(20), stand.start(20)
            await asyncio.sleep(25)
        assert holds(stand.all_times, 20)
        sent = one.sent(5, 25), two.sent(5, 25)
        assert sum(sent) >= 0.95 * 20 * 20
        assert sent[0] == pytest.approx(sent[1], abs=10)

    virtual(main())


def test_what_a_quiet_job_does_not_use_goes_to_the_busy_one_and_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with _stand(tmp_path) as stand:
            one, two = stand.start(20), stand.start(20)
            await asyncio.sleep(10)
            one.is_busy = False
            await asyncio.sleep(10)
            one.is_busy = True
            await asyncio.sleep(10)
        assert holds(stand.all_times, 20)
        assert two.sent(14, 20) >= 0.95 * 20 * 6
        assert one.sent(24, 30) >= 0.9 * 10 * 6

    virtual(main())


@pytest.mark.parametrize("ended", [0, 1], ids=["holder", "member"])
def test_a_job_that_ends_gives_its_share_back(tmp_path: Path, ended: int) -> None:
    async def main() -> None:
        async with _stand(tmp_path) as stand:
            jobs = [stand.start(20)]
            await asyncio.sleep(1)
            jobs.append(stand.start(20))
            await asyncio.sleep(9)
            stand.end(jobs[ended])
            await asyncio.sleep(12)
        assert holds(stand.all_times, 20)
        other = jobs[1 - ended]
        assert other.sent(10, 15) >= 0.9 * 10 * 5  # it goes on meanwhile
        assert other.sent(16, 22) >= 0.95 * 20 * 6

    virtual(main())


@pytest.mark.parametrize("rate", [0.5, 1, 1.5, 3])
def test_a_limit_of_fewer_requests_than_jobs_takes_turns(tmp_path: Path, rate: float) -> None:
    async def main() -> None:
        async with _stand(tmp_path) as stand:
            jobs = [stand.start(rate) for _ in range(4)]
            await asyncio.sleep(120)
        assert holds(stand.all_times, rate)
        assert len(stand.all_times) >= 0.9 * 120 * rate
        sent = [job.sent(0, 120) for job in jobs]
        assert min(sent) >= 0.6 * max(sent)

    virtual(main())


def test_the_smallest_figure_binds_also_that_of_the_total(tmp_path: Path) -> None:
    async def main() -> None:
        async with _stand(tmp_path) as stand:
            stand.start(30)
            await asyncio.sleep(5)
            assert most(stand.all_times, 1.0) == 30
            strict = stand.start(20, total=10)
            await asyncio.sleep(10)
            stand.end(strict)
            await asyncio.sleep(10)
        assert holds([time for time in stand.all_times if 7 <= time < 15], 10)
        assert sum(18 <= time < 25 for time in stand.all_times) >= 0.95 * 30 * 7

    virtual(main())


def test_a_pause_holds_for_all_at_once_and_for_those_that_come_later(tmp_path: Path) -> None:
    async def main() -> None:
        async with _stand(tmp_path) as stand:
            one, two = stand.start(20), stand.start(20)
            await asyncio.sleep(5)
            one.pacer.pause(asyncio.get_running_loop().time() + 10)
            await asyncio.sleep(1)
            three = stand.start(20)
            await asyncio.sleep(10)
            assert two.pacer.paused_by_others_until == pytest.approx(asyncio.get_running_loop().time() - 1, abs=0.2)
        for job in (one, two, three):
            assert job.sent(5.01, 15) == 0
            assert job.sent(15, 16) > 0
        assert holds(stand.all_times, 20)

    virtual(main())


def test_a_holder_that_does_not_answer_is_passed_over(tmp_path: Path) -> None:
    async def main() -> None:
        silent = Election(tmp_path, "quota", VirtualClock()).try_to_lead()
        assert silent is not None
        assert silent.is_current()
        async with _stand(tmp_path) as stand:
            job = stand.start(20)
            await asyncio.sleep(PATIENCE + LEASE + 5)
        assert not silent.is_current()
        silent.release(is_idle=False)
        # It may have given leases until it was replaced, so they are waited out.
        assert job.times.times[0] >= PATIENCE + LEASE
        assert job.times.times[0] < PATIENCE + LEASE + 2

    virtual(main())
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_nonsense_from_another_process_ends_its_connection_and_nothing_else(tmp_path: Path) -> None:
    async def main() -> None:
        election = Election(tmp_path, "quota", VirtualClock())
        async with _stand(tmp_path) as stand:
            stand.start(20)
            await asyncio.sleep(1)
            holder = election.holder()
            assert holder is not None
            for nonsense in (b"{}\n", b"\xff\n", b"x" * 100_000, b'{"number":1'):
                reader, writer = await connect(election.socket_of(holder))
                writer.write(nonsense)
                writer.write_eof()
                assert await reader.read() == b""
                writer.close()
            await asyncio.sleep(5)
        assert len(stand.all_times) >= 0.95 * 20 * 5

    virtual(main())


def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    assert problem_of(folder) is None
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o750)
    assert "chmod 700" in (problem_of(folder) or "")
    with pytest.raises(StorageError, match="others have access"):
        Election(folder, "quota", VirtualClock()).try_to_lead()
    folder.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert "is not a folder" in (problem_of(link) or "")
    assert "cannot be created" in (problem_of(tmp_path / "none" / "shared") or "")


@pytest.mark.parametrize("uid", [os.geteuid(), os.geteuid() + 1])
def test_only_processes_of_the_same_user_are_talked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int
) -> None:
    async def main() -> None:
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        with listen(tmp_path / "s"):
            if uid == euid:
                _, writer = await connect(tmp_path / "s")
                writer.close()
            else:
                with pytest.raises(PermissionError, match="another user"):
                    await connect(tmp_path / "s")

    euid = os.geteuid()
    virtual(main())


def test_names_have_files_of_their_own_that_fit_into_the_path_of_a_socket(tmp_path: Path) -> None:
    names = ["a", "A", "..", "x" * 300, "x" * 301]
    stems = [file_stem(name) for name in names]
    assert len({stem.lower() for stem in stems}) == len(names)
    assert max(map(len, stems)) < 40
    listen(tmp_path / "s").close()
