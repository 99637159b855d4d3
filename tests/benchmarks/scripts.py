"""What people run today: `python -m tests.benchmarks.scripts URL NAME CSV`. Each sends every row once, synchronously.

They are written as their users write them: on the standard loop, with the library's own ways, 100 requests at a time.
None paces, resumes or syncs to disk; only the processor saves what came back.
"""

import asyncio
import csv
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp

from tests.benchmarks.processor import process

AT_ONCE = 100
HEADERS = {"Authorization": "Bearer token"}


async def gathered(one: Callable[[dict[str, str]], Awaitable[Any]], rows: list[dict[str, str]]) -> int:
    """The usual form: a task a row, and a semaphore."""
    semaphore = asyncio.Semaphore(AT_ONCE)

    async def limited(row: dict[str, str]) -> Any:
        async with semaphore:
            return await one(row)

    return len(await asyncio.gather(*(limited(row) for row in rows)))  # noqa: TID251 - it is what is measured


async def aiohttp_gather(url: str, rows: list[dict[str, str]]) -> int:
    """aiohttp as its documentation shows it, with one session."""
    async with aiohttp.ClientSession(headers=HEADERS, connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def one(row: dict[str, str]) -> Any:
            body = {"workflow_id": "w", "inputs": row, "async": False}
            async with session.post(f"{url}/v1/workflow/run", json=body) as said:
                said.raise_for_status()
                return (await said.json())["output"]

        return await gathered(one, rows)


async def cozepy_gather(url: str, rows: list[dict[str, str]]) -> int:
    """The service's own library, as its examples use it."""
    import cozepy  # noqa: PLC0415 - an extra

    coze = cozepy.AsyncCoze(auth=cozepy.AsyncTokenAuth("token"), base_url=url)

    async def one(row: dict[str, str]) -> Any:
        result = await coze.workflows.runs.create(workflow_id="w", parameters=row)
        return json.loads(result.data or "")

    return await gathered(one, rows)


def cookbook(url: str, path: Path) -> int:
    """The parallel request processor of the OpenAI cookbook; see `processor`."""
    with tempfile.TemporaryDirectory() as folder:
        requests, results = Path(folder, "requests.jsonl"), Path(folder, "results.jsonl")
        with requests.open("w") as file, path.open(newline="") as rows:
            for row in csv.DictReader(rows):
                file.write(json.dumps({"workflow_id": "w", "inputs": row, "async": False}) + "\n")
        return asyncio.run(process(requests, results, f"{url}/v1/workflow/run", HEADERS)).succeeded


def daft_udf(url: str, path: Path) -> int:
    """A data frame with an asynchronous function a row, and one session."""
    import daft  # noqa: PLC0415 - an extra

    @daft.cls(max_concurrency=AT_ONCE)  # type: ignore[untyped-decorator,unused-ignore]
    class Workflow:
        def __init__(self) -> None:
            self.session: aiohttp.ClientSession | None = None

        async def run(self, name: str, text: str) -> str:
            if self.session is None:
                connector = aiohttp.TCPConnector(limit=AT_ONCE)
                self.session = aiohttp.ClientSession(headers=HEADERS, connector=connector)
            body = {"workflow_id": "w", "inputs": {"id": name, "text": text}, "async": False}
            async with self.session.post(f"{url}/v1/workflow/run", json=body) as said:
                said.raise_for_status()
                return json.dumps((await said.json())["output"])

    run: Any = Workflow().run
    frame = daft.read_csv(str(path))
    frame = frame.with_column("output", run(frame["id"].cast(daft.DataType.string()), frame["text"]))
    return len(frame.select("output").to_pydict()["output"])


GATHERED: dict[str, Callable[[str, list[dict[str, str]]], Coroutine[Any, Any, int]]] = {
    "gather": aiohttp_gather,
    "cozepy": cozepy_gather,
}
WHOLE: dict[str, Callable[[str, Path], int]] = {"cookbook": cookbook, "daft": daft_udf}


def main(name: str, url: str, path: Path) -> int:
    """Run one of them; the rows that came back."""
    if name in WHOLE:
        return WHOLE[name](url, path)
    with path.open(newline="") as file:
        return asyncio.run(GATHERED[name](url, list(csv.DictReader(file))))


if __name__ == "__main__":
    print(json.dumps({"completed": main(sys.argv[2], sys.argv[1], Path(sys.argv[3]))}))
