"""What the stand-in service does with a request: it answers at once, and counts.

Times are of the monotonic clock, which all processes of a machine share.
"""

import json
import math
import re
from array import array
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from batchrun.simulator.run_duration import DurationDistribution

TEXT = "It answers what it was asked, and takes no time to think. " * 6
"""Makes an output of some 350 bytes, and an answer of some 450."""

DRAWS = 1 << 14
"""Durations are drawn beforehand; run n takes the n-th, and after so many they repeat."""


class Quota:
    """A limit: so many requests in any half-open second. `steps`: (from so many seconds after the first request, N)."""

    def __init__(self, steps: Sequence[tuple[float, int]]) -> None:
        self._steps = deque(sorted(steps))
        self._limit: float = math.inf
        self._since: float | None = None
        self._taken: deque[float] = deque()

    def take(self, at: float) -> bool:
        """Whether a request at that time is within it. One that is not does not count against the next."""
        if self._since is None:
            self._since = at
        while self._steps and at - self._since >= self._steps[0][0]:
            self._limit = self._steps.popleft()[1]
        taken = self._taken
        while taken and at - taken[0] >= 1:
            taken.popleft()
        if len(taken) >= self._limit:
            return False
        taken.append(at)
        return True


class Service:
    """The runs and the counts.

    A run has ended when its duration has passed and it was polled `polls` times. From `shift[0]` seconds after the
    first POST on, new runs take `shift[1]` times as long. `quotas`: by `posts`, `polls` and `all`.
    """

    def __init__(
        self,
        duration: DurationDistribution,
        *,
        polls: int = 1,
        shift: tuple[float, float] = (math.inf, 1.0),
        quotas: dict[str, Quota] | None = None,
        retry_after: float | None = None,
        wall: float = 0.0,
        note_polls: bool = False,
    ) -> None:
        fixed = duration.family == "constant"
        self._durations = array("d", (duration.seconds(1, run) for run in range(1 if fixed else DRAWS)))
        self._polls_to_end = polls
        self._shift = shift
        quotas = quotas or {}
        self._post_quotas = [quota for kind, quota in quotas.items() if kind != "polls"]
        self._poll_quotas = [quota for kind, quota in quotas.items() if kind != "posts"]
        wait = f"Retry-After: {retry_after:g}\r\n" if retry_after is not None else ""
        self._refusal = answer(b'{"error":{"code":"RATE_LIMITED","message":"slow down"}}', f"429 No\r\n{wait}")
        self._wall = wall
        self._second, self._second_text = -1, ""
        self.posts, self.polls, self.refused_posts, self.refused_polls = (array("d") for _ in range(4))
        self.accepted, self.ends, self.told = (array("d") for _ in range(3))
        self.polled = array("I")
        self._note_polls = note_polls
        self.ids, self.poll_runs = array("q"), array("q")

    def post(self, body: bytes, at: float) -> tuple[bytes, float]:
        """The answer to a submission, and after how many seconds it is given."""
        self.posts.append(at)
        for quota in self._post_quotas:
            if not quota.take(at):
                self.refused_posts.append(at)
                return self._refusal, 0.0
        run = len(self.accepted)
        duration = self._durations[run % len(self._durations)]
        if at - self.posts[0] >= self._shift[0]:
            duration *= self._shift[1]
        self.accepted.append(at)
        self.ends.append(at + duration)
        self.told.append(math.nan)
        self.polled.append(0)
        if self._note_polls:
            found = _ID.search(body)
            self.ids.append(int(found[1]) if found else -1)
        if b'"parameters"' in body:
            if b'"is_async":true' in body or b'"is_async": true' in body:
                return answer(b'{"code":0,"msg":"","execute_id":"%d","debug_url":"http://localhost/"}' % run), 0.0
            self.told[run] = at + duration
            return answer(_OPEN_SYNC), duration
        if b'"async":true' in body or b'"async": true' in body:
            created = self._iso(at)
            return answer(b'{"run_id":"%d","status":"pending","created_at":"%s"}' % (run, created)), 0.0
        self.told[run] = at + duration
        return answer(_ENDED % (run, b"output", self._iso(at), self._iso(at + duration))), duration

    def poll(self, run: int, at: float, *, is_open: bool = False) -> bytes:
        """The answer to a poll."""
        self.polls.append(at)
        if self._note_polls:
            self.poll_runs.append(run)
        for quota in self._poll_quotas:
            if not quota.take(at):
                self.refused_polls.append(at)
                return self._refusal
        if not 0 <= run < len(self.accepted):
            return answer(b'{"error":{"code":"NOT_FOUND","message":"no such run"}}', "404 Not Found\r\n")
        self.polled[run] += 1
        ended = at >= self.ends[run] and self.polled[run] >= self._polls_to_end
        if ended and math.isnan(self.told[run]):
            self.told[run] = at
        if is_open:
            return answer((_OPEN_ENDED if ended else _OPEN_RUNNING) % run)
        created = self._iso(self.accepted[run])
        if ended:
            return answer(_ENDED % (run, b"outputs", created, self._iso(self.ends[run])))
        return answer(b'{"run_id":"%d","status":"running","created_at":"%s"}' % (run, created))

    def stats(self) -> dict[str, Any]:
        """The counts; `lag`: seconds from the end of a run to the poll that told it, of all runs told."""
        lags = sorted(told - end for told, end in zip(self.told, self.ends, strict=True) if not math.isnan(told))
        both = sorted([*self.posts, *self.polls])
        return {
            "posts": len(self.posts),
            "polls": len(self.polls),
            "refused_posts": len(self.refused_posts),
            "refused_polls": len(self.refused_polls),
            "accepted": len(self.accepted),
            "told": len(lags),
            "first": both[0] if both else None,
            "last": both[-1] if both else None,
            "first_post": self.posts[0] if self.posts else None,
            "last_post": self.posts[-1] if self.posts else None,
            "worst_posts": worst_second(self.posts),
            "worst_polls": worst_second(self.polls),
            "worst_all": worst_second(both),
            "most_running": most_at_once(self.accepted, sorted(self.ends)),
            "lag": {f"p{share}": lags[(len(lags) - 1) * share // 100] for share in (50, 95, 99, 100)} if lags else {},
        }

    def times(self) -> dict[str, list[float] | list[int]]:
        """Everything that was noted. `told` is -1 where the end of a run has not been told.

        With `note_polls`: `poll_runs` has the run of each of `polls`, `ids` the input `id` of each run.
        """
        return {
            "posts": self.posts.tolist(),
            "polls": self.polls.tolist(),
            "refused_posts": self.refused_posts.tolist(),
            "refused_polls": self.refused_polls.tolist(),
            "accepted": self.accepted.tolist(),
            "ends": self.ends.tolist(),
            "told": [-1.0 if math.isnan(told) else told for told in self.told],
            "polled": self.polled.tolist(),
            "ids": self.ids.tolist(),
            "poll_runs": self.poll_runs.tolist(),
        }

    def _iso(self, at: float) -> bytes:
        second, rest = divmod(at + self._wall, 1)
        if second != self._second:
            self._second = int(second)
            self._second_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._second_text}.{int(rest * 1000):03d}Z".encode()


def worst_second(arrivals: Sequence[float]) -> int:
    """The most arrivals in any half-open second; they must be in order."""
    worst = first = 0
    for last, at in enumerate(arrivals):
        while at - arrivals[first] >= 1:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


def most_at_once(begins: Sequence[float], ends: Sequence[float]) -> int:
    """The most that had begun and not ended at any time; both must be in order."""
    most = ended = 0
    for begun, at in enumerate(begins, 1):
        while ended < len(ends) and ends[ended] <= at:
            ended += 1
        most = max(most, begun - ended)
    return most


def answer(body: bytes, status: str = "200 OK\r\n") -> bytes:
    """A whole HTTP answer. `status`: the status line without its version, and headers if need be."""
    return b"HTTP/1.1 %sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
        status.encode(),
        len(body),
        body,
    )


_ID = re.compile(rb'"id": ?"?(\d+)')
_ENDED = (
    b'{"run_id":"%%d","status":"completed","%%s":{"text":"%s"},"created_at":"%%s","updated_at":"%%s"}' % TEXT.encode()
)
_LAYER = json.dumps({"text": TEXT})
_OPEN_SYNC = json.dumps({"code": 0, "msg": "", "data": _LAYER, "debug_url": "http://localhost/"}).encode()


def _history(status: str, output: str) -> bytes:
    run = {
        "execute_id": "RUN",
        "execute_status": status,
        "bot_id": "0",
        "connector_id": "1024",
        "connector_uid": "1",
        "run_mode": 2,
        "output": output,
        "create_time": 1,
        "update_time": 1,
        "error_code": "",
        "error_message": "",
        "logid": "",
        "debug_url": "http://localhost/",
        "is_output_trimmed": False,
    }
    return json.dumps({"code": 0, "msg": "", "detail": {"logid": ""}, "data": [run]}).encode().replace(b"RUN", b"%d")


_OPEN_ENDED = _history("Success", json.dumps({"Output": _LAYER}))
_OPEN_RUNNING = _history("Running", json.dumps({"Output": ""}))
