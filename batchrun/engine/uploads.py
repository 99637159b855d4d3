"""Uploads the local files of a row, so that its inputs can be sent, before anything else is prepared for the row.

A file is known by the digest of its content. Each content is uploaded once in a job, however many rows have it: the
reference that the service returns is on disk before a row uses it. An upload starts no run, so it is sent again until
an answer proves what has become of it. An outage or a 429 is no file's fault. If the service refuses a file, its rows
fail before anything is paid for them.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from math import inf
from weakref import WeakValueDictionary

from batchrun.dialects.base import UploadRequest
from batchrun.domain.answers import Inconclusive, Refusal, RefusalKind, UploadAnswer, Uploaded
from batchrun.domain.backoff import retry_delay
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import CannotBeSent, RefusedForGood
from batchrun.domain.frozen import copied
from batchrun.domain.randomness import draw
from batchrun.engine.context import Context, Ports
from batchrun.engine.parsed import parsed
from batchrun.engine.request_runner import PendingRequest, RequestRunner
from batchrun.engine.settings import Stop
from batchrun.engine.task_pool import Task
from batchrun.errors import ExitCode
from batchrun.ports import Files, OpenFile, Request, Response, TransportError, UnusableFileError, Work

log = logging.getLogger("batchrun")

MAX_ROWS = 32
"""Rows whose files are uploaded, or looked up, at one time."""

MAX_REFUSED = 10_000
"""Refused files to remember, so that they are not uploaded for their other rows."""

MIN_BYTES_PER_SECOND = 100_000
"""An upload may take the timeout of a request, and the time of its bytes at this rate."""


class _StoppingError(Exception):
    """The job stops: no further upload is started."""


class Uploads:
    """Makes the inputs of rows sendable. `files`: the local files of the job."""

    def __init__(self, context: Context, ports: Ports, files: Files) -> None:
        assert context.admission.uploads is not None
        limits = context.dialect.file_limits
        assert limits is not None
        self._context = context
        self._transitions = context.transitions
        self._backlog = context.backlog
        self._requests = context.admission.uploads
        self._journal = ports.journal
        self._lookup = ports.lookup
        self._files = files
        self._kept_ms = limits.kept_ms
        self._time = asyncio.get_running_loop().time
        self._runner: RequestRunner[PendingRequest] = RequestRunner(
            context, self._requests, on_sent=lambda _: self._sent.add(_current_task())
        )
        self._admitting = asyncio.Lock()
        self._room = asyncio.Semaphore(MAX_ROWS)
        self._locks = WeakValueDictionary[str, asyncio.Lock]()
        self._refused: dict[str, Problem] = {}
        """Why the service does not take the file with this digest."""
        self._failures = 0
        self.in_progress: set[Task] = set()
        """The tasks that prepare a row."""
        self._sent: set[Task] = set()
        """Those of them whose upload was sent, and is not recorded yet."""
        self._stopping = False

    async def start(self, group: asyncio.TaskGroup, work: Work) -> None:
        """Prepare a row in a task, and then queue it again. Waits while many rows are being prepared."""
        await self._room.acquire()
        self._backlog.hold()
        task = group.create_task(self._prepare_and_queue(work), name="upload")
        self.in_progress.add(task)
        task.add_done_callback(self._done)

    async def prepare(self, work: Work) -> Work | None:
        """Prepare a row at once. None: it has failed, or it stays queued because the job stops."""
        try:
            return await self._prepared(work)
        except _StoppingError:
            self._backlog.hold()
            return None

    def stop(self) -> None:
        """Start no further upload. Uploads that were sent are still answered and recorded."""
        self._stopping = True
        for task in self.in_progress - self._sent:
            task.cancel()

    async def _prepare_and_queue(self, work: Work) -> None:
        with suppress(_StoppingError):  # then the row stays queued for the next command
            self._backlog.give_back(await self._prepared(work))

    def _done(self, task: Task) -> None:
        self.in_progress.discard(task)
        self._sent.discard(task)
        self._room.release()

    async def _prepared(self, work: Work) -> Work | None:
        """The row with sendable inputs; None if it has failed."""
        mapping, references = self._context.mapping, dict[str, str]()
        try:
            inputs = mapping.inputs(work.values)
            paths = mapping.paths(inputs)
        except ValueError as error:
            await self._fail(work, Problem(ErrorKind.INPUT, str(error)))
            return None
        for path in paths:
            try:
                found = await self._reference(path, work)
            except UnusableFileError as error:
                found = Problem(ErrorKind.INPUT, str(error))
            if isinstance(found, Problem):
                await self._fail(work, copied(found, message=f"{path}: {found.message}"))
                return None
            references[path] = found
        return copied(work, inputs=mapping.with_files(inputs, references.__getitem__))

    async def _fail(self, work: Work, problem: Problem) -> None:
        now = self._transitions.now()
        unsendable = problem.kind is ErrorKind.INPUT
        event = CannotBeSent(problem, now) if unsendable else RefusedForGood(problem, now)
        await self._transitions.apply(work.row, event)

    async def _reference(self, path: str, work: Work) -> str | Problem:
        with closing(await self._files.open(path)) as file:
            if work.digests is not None and work.digests.get(path) != file.digest:
                raise UnusableFileError("changed while the job was running")
            lock = self._locks.setdefault(file.digest, asyncio.Lock())
            async with lock:  # of several rows with this content, one uploads it
                known = self._refused.get(file.digest) or self._recorded(file.digest)
                if known is not None:
                    return known
                try:
                    found = await self._upload(file)
                finally:
                    self._sent.discard(_current_task())
                if isinstance(found, Problem):
                    self._refused[file.digest] = found
                    if len(self._refused) > MAX_REFUSED:
                        del self._refused[next(iter(self._refused))]
                return found

    def _recorded(self, digest: str) -> str | None:
        """The reference of an earlier upload, unless the service may have deleted the file."""
        found = self._lookup.reference(digest)
        if found is None or self._transitions.now() - found[1] >= self._kept_ms:
            return None
        return found[0]

    # -- one upload

    async def _upload(self, file: OpenFile) -> str | Problem:
        """Upload the file until an answer settles it. Raises `UnusableFileError` if the file has changed meanwhile."""
        dialect, settings = self._context.dialect, self._context.settings
        attempts, charged, first_failure = 0, 0, inf
        frame = dialect.upload_request(file.name, file.digest)
        content = _Content(frame, file)
        request = Request(frame.method, frame.path, None, _seconds(settings.poll_timeout, content.size), content)
        while True:
            attempts += 1
            try:
                pending, response = await self._send(request)
            except TransportError as error:
                self._failed(str(error))
            else:
                answer = parsed(dialect.parse_upload, response)
                problem = self._judged(answer, pending, response)
                del response  # see `Response`
                if isinstance(answer, Uploaded):
                    await self._journal.record_upload(file.digest, answer.reference)
                    return answer.reference
                if problem is not None and problem.kind is ErrorKind.REJECTED:
                    return problem
                if problem is not None:
                    # In an outage no file is at fault: the service must have answered well since the first failure.
                    charged += self._requests.last_success > first_failure
                    first_failure = min(first_failure, self._time())
                    if charged > settings.retries:
                        return copied(problem, message=f"refused {attempts} times, the last time: {problem.message}")
            self._sent.discard(_current_task())
            self._failures += 1
            chance = draw(settings.seed, "upload", self._failures)
            await asyncio.sleep(retry_delay(charged + 1, chance))

    async def _send(self, request: Request) -> tuple[PendingRequest, Response]:
        async with self._admitting:
            if self._stopping:
                raise _StoppingError
            await self._runner.admit()
            pending = PendingRequest(probe=self._requests.on_prepared(), now=self._time())
        try:
            return pending, await self._runner.send(pending, request)
        finally:
            self._requests.on_done(sent=pending.sent_at is not None, probe=pending.probe)

    def _judged(self, answer: UploadAnswer, pending: PendingRequest, response: Response) -> Problem | None:
        """Account for an answer. Returns what it says against the file; None if nothing."""
        match answer:
            case Refusal(kind=RefusalKind.THROTTLED):
                assert pending.sent_at is not None
                self._context.counters.throttled += 1
                self._context.admission.throttled(
                    self._requests, pending.sent_at, answer, self._context.transitions.now()
                )
                self._failed()
                return None
            case Refusal(kind=RefusalKind.BUSY):
                self._failed(str(answer))
                return Problem(ErrorKind.EXHAUSTED, answer.message, answer.code, answer.http_status)
            case Inconclusive(message, http_status):
                if (http_status or 0) >= 500 or http_status == 408:
                    self._failed(message)
                else:
                    self._requests.on_success()
                return Problem(ErrorKind.EXHAUSTED, message, http_status=http_status)
            case Refusal(kind=RefusalKind.ROW):
                self._requests.on_success()
                message = f"the upload was refused: {answer.message}"
                return Problem(ErrorKind.REJECTED, message, answer.code, answer.http_status)
            case Refusal():
                self._requests.on_success()
                reason = f"the service refused an upload: {answer}{response.token_hint}"
                self._context.stopping.request(Stop(ExitCode.STOPPED, reason))
                raise _StoppingError
            case Uploaded():
                self._requests.on_success()
                return None

    def _failed(self, error: str = "") -> None:
        self._requests.on_failure(error)


class _Content:
    """`ports.Content`: a file in the frame that the dialect gives it."""

    def __init__(self, frame: UploadRequest, file: OpenFile) -> None:
        self._frame = frame
        self._file = file
        self.type = frame.content_type
        self.size = len(frame.before) + file.size + len(frame.after)

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._frame.before
        async for chunk in self._file.chunks():
            yield chunk
        yield self._frame.after


def _seconds(timeout: float, size: int) -> float:
    """The timeout of an upload. It is doubled from that of a request, so that there are few different ones."""
    seconds, needed = timeout, timeout + size / MIN_BYTES_PER_SECOND
    while seconds < needed:
        seconds *= 2
    return seconds


def _current_task() -> Task:
    task = asyncio.current_task()
    assert task is not None
    return task
