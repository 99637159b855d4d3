"""A service of the v1 dialect that answers after a fixed time, and notes what it received and when it answered."""

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic as now  # noqa: TID251 - compared with the times at which another process is killed
from typing import Any


class TimedService:
    """The runs and the POSTs, by the input `id`. Every run has ended when it is polled."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.session = 0
        """The number of the client's process; set it before the process starts."""
        self.received: defaultdict[int, list[int]] = defaultdict(list)
        """The sessions from which each row was received."""
        self.answered: dict[int, float] = {}
        """When the answer to the last POST of a row was written."""
        self._runs: list[int] = []
        self.base_url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        session = self.session
        try:
            while line := await reader.readline():
                method, path, _ = line.decode().split()
                length = 0
                while (header := await reader.readline()) not in {b"\r\n", b""}:
                    name, _, value = header.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                body = await reader.readexactly(length)
                if method == "POST":
                    await self._post(json.loads(body), session, writer)
                else:
                    self._write(writer, self._poll(path))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client was killed
        finally:
            writer.close()

    async def _post(self, body: dict[str, Any], session: int, writer: asyncio.StreamWriter) -> None:
        row = int(body["inputs"]["id"])
        self.received[row].append(session)
        self._runs.append(row)
        run = len(self._runs) - 1
        await asyncio.sleep(self._seconds)
        self._write(writer, {"run_id": f"run-{run}", "status": "pending"})
        self.answered[row] = now()

    def _poll(self, path: str) -> dict[str, Any]:
        run = path.partition("?")[0].rpartition("/")[2]
        return {"run_id": run, "status": "completed", "outputs": {"id": self._runs[int(run.removeprefix("run-"))]}}

    @staticmethod
    def _write(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)

    @property
    def posts(self) -> int:
        """The number of POSTs received."""
        return len(self._runs)


@contextmanager
def timed_service(seconds: float) -> Iterator[TimedService]:
    """Run the service in a thread until the block ends."""
    service, started, ended = TimedService(seconds), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
        service.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        await ended.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="timed service")
    thread.start()
    try:
        assert started.wait(10)
        yield service
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
