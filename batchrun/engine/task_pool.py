"""Reuses tasks. A new task per request would cost its creation, its entry in the group and its done callbacks."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial

Task = asyncio.Task[None]


class TaskPool:
    """Runs pieces of work concurrently, each in a task of a group.

    `on_done` is called when a task has finished or abandoned its work, and again when the task itself ends.
    """

    def __init__(self, on_done: Callable[[Task], None]) -> None:
        self._on_done = on_done
        self._idle: list[tuple[Task, asyncio.Future[Coroutine[None, None, None]]]] = []
        self._closed = False

    def start(self, group: asyncio.TaskGroup, work: Coroutine[None, None, None], name: str) -> Task:
        """Run `work` in an idle task, or in a new task of `group`. Returns the task."""
        while self._idle:
            task, next_work = self._idle.pop()
            if not next_work.done():
                next_work.set_result(work)
                return task
        task = group.create_task(self._worker(work), name=name)
        task.add_done_callback(partial(self._on_task_ended, work))
        return task

    def _on_task_ended(self, first: Coroutine[None, None, None], task: Task) -> None:
        # This is a callback because a task that is cancelled before its first step never reaches a `finally`.
        first.close()
        self._on_done(task)

    async def _worker(self, work: Coroutine[None, None, None]) -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        while True:
            await work
            self._on_done(task)
            if self._closed:
                return
            next_work = loop.create_future()
            self._idle.append((task, next_work))
            try:
                work = await next_work
            except asyncio.CancelledError:
                if next_work.done() and not next_work.cancelled():
                    next_work.result().close()
                raise

    def close(self) -> None:
        """End idle tasks now, and the others when they have finished their work."""
        self._closed = True
        for task, _ in self._idle:
            task.cancel()
