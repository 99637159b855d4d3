"""Tasks that are used again: one for each request is dear, with its place in the group and the calls at its end."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial

Task = asyncio.Task[None]


class TaskPool:
    """Does pieces of work at once, each in a task of a group.

    `on_done`: a task is done with its piece, or gave it up; said once more when the task itself ends.
    """

    def __init__(self, on_done: Callable[[Task], None]) -> None:
        self._on_done = on_done
        self._idle: list[tuple[Task, asyncio.Future[Coroutine[None, None, None]]]] = []
        self._dismissed = False

    def start(self, group: asyncio.TaskGroup, work: Coroutine[None, None, None], name: str) -> Task:
        """The task that does `work`; a new one is made in `group` where all are busy."""
        while self._idle:
            task, call = self._idle.pop()
            if not call.done():
                call.set_result(work)
                return task
        task = group.create_task(self._worker(work), name=name)
        task.add_done_callback(partial(self._gone, work))
        return task

    def _gone(self, first: Coroutine[None, None, None], task: Task) -> None:
        # A callback and no `finally`: a task that is cancelled before its first step never gets to one.
        first.close()
        self._on_done(task)

    async def _worker(self, work: Coroutine[None, None, None]) -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        while True:
            await work
            self._on_done(task)
            if self._dismissed:
                return
            call = loop.create_future()
            self._idle.append((task, call))
            try:
                work = await call
            except asyncio.CancelledError:
                if call.done() and not call.cancelled():
                    call.result().close()
                raise

    def close(self) -> None:
        """Let the idle ones go now, the others when they are done."""
        self._dismissed = True
        for task, _ in self._idle:
            task.cancel()
