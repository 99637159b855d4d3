"""What the simulated service counts."""

from batchrun.simulator.rate_window import PeakCounter


class Statistics:
    """The requests since the start of the process. Refused requests count too."""

    def __init__(self) -> None:
        self.posts, self.polls, self.uploads = PeakCounter(), PeakCounter(), PeakCounter()
        self.runs = 0
        """The number of runs created."""
        self._callbacks = {True: 0, False: 0}

    def count_callback(self, status: int | None) -> None:
        """Count a callback by the HTTP status of its response; None: no response."""
        self._callbacks[status is not None and 200 <= status < 300] += 1

    def as_dict(self, throttled: int, stored: int, repeated: int) -> dict[str, int]:
        """The counts by name.

        `posts` (submissions), `polls` and `uploads`; `most_posts_in_a_second` and likewise (in any half-open second,
        by arrival time); `throttled` (refused as too many requests or runs); `callbacks` (answered 2xx) and
        `callbacks_refused` (all others); `runs` created. Over the whole store: `runs_stored`, and `runs_repeated`, the
        runs whose workflow and inputs already had a run, which a real service would have charged twice.
        """
        return {
            "posts": self.posts.total,
            "polls": self.polls.total,
            "uploads": self.uploads.total,
            "most_posts_in_a_second": self.posts.peak,
            "most_polls_in_a_second": self.polls.peak,
            "most_uploads_in_a_second": self.uploads.peak,
            "throttled": throttled,
            "callbacks": self._callbacks[True],
            "callbacks_refused": self._callbacks[False],
            "runs": self.runs,
            "runs_stored": stored,
            "runs_repeated": repeated,
        }
