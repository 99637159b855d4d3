"""The shape of the OpenAI cookbook's parallel request processor, which many batch scripts are copies of.

It is a script and not a package, so it is built anew here, in its shape and not in its words: a file of requests, one
JSON object a line; a loop that starts at most one request in a millisecond if the budgets of requests and of tokens a
minute allow it; a task a request; a queue of what is to be tried again; a pause of all after a rate limit; a result
appended to a file that is opened for each. Its tokenizer is left out, which is in its favour.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

TURN = 0.001
"""Seconds that the loop sleeps between two requests."""

PAUSE = 15.0
"""Seconds that it waits after a rate limit."""

BUDGETS = (1e9, 1e12)
"""Requests and tokens a minute: more than it can use."""

ATTEMPTS = 5
"""Of each request."""


@dataclass
class Progress:
    """What the tasks tell the loop."""

    started: int = 0
    in_progress: int = 0
    succeeded: int = 0
    failed: int = 0
    limited_at: float = float("-inf")


@dataclass
class Budget:
    """What may be spent a minute, and what is left of it now."""

    a_minute: float
    left: float
    updated: float

    def refill(self, now: float) -> None:
        """Add what has come since."""
        self.left = min(self.a_minute, self.left + self.a_minute * (now - self.updated) / 60)
        self.updated = now


@dataclass
class Call:
    """One line of the file."""

    number: int
    body: dict[str, Any]
    tokens: int
    attempts_left: int

    async def send(
        self,
        session: aiohttp.ClientSession,
        url: str,
        again: "asyncio.Queue[Call]",
        results: Path,
        progress: Progress,
    ) -> None:
        """Send it, and save what comes back."""
        error: object = None
        answer: Any = None
        try:
            async with session.post(url, json=self.body) as said:
                answer = await said.json()
            if "error" in answer:
                error = answer["error"]
                if said.status == 429:
                    progress.limited_at = asyncio.get_running_loop().time()
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            error = str(problem)
        if error is not None and self.attempts_left:
            again.put_nowait(self)
            return
        _append(results, [self.body, answer if error is None else {"errors": [error]}, {"row": self.number}])
        progress.in_progress -= 1
        if error is None:
            progress.succeeded += 1
        else:
            progress.failed += 1


def _append(path: Path, record: object) -> None:
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def _tokens(body: dict[str, Any]) -> int:
    return len(json.dumps(body)) // 4


async def process(requests: Path, results: Path, url: str, headers: dict[str, str]) -> Progress:
    """Send every request of the file."""
    loop = asyncio.get_running_loop()
    again = asyncio.Queue[Call]()
    progress = Progress()
    budgets = [Budget(most, most, loop.time()) for most in BUDGETS]
    call: Call | None = None
    more = True
    async with aiohttp.ClientSession(headers=headers) as session, asyncio.TaskGroup() as group:
        with requests.open() as file:
            while True:
                if call is None:
                    if not again.empty():
                        call = again.get_nowait()
                    elif more and (line := file.readline()):
                        body = json.loads(line)
                        call = Call(progress.started, body, _tokens(body), ATTEMPTS)
                        progress.started += 1
                        progress.in_progress += 1
                    else:
                        more = False
                now = loop.time()
                for budget in budgets:
                    budget.refill(now)
                if call is not None:
                    costs = (1, call.tokens)
                    if all(budget.left >= cost for budget, cost in zip(budgets, costs, strict=True)):
                        for budget, cost in zip(budgets, costs, strict=True):
                            budget.left -= cost
                        call.attempts_left -= 1
                        group.create_task(call.send(session, url, again, results, progress))
                        call = None
                if progress.in_progress == 0 and not more:
                    return progress
                await asyncio.sleep(TURN)
                if loop.time() - progress.limited_at < PAUSE:
                    await asyncio.sleep(PAUSE)
