"""Jobs with marked secrets, and the search for these in everything that the jobs leave and show."""

import shlex
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.harness.secret_services import ROWS
from tests.support import command
from tests.support.marked_secrets import Mark, Search

TOKENS = ("Tk/9Qx+7Lm-2Wv=8Rb.5Zc_6Hn~3Jd/4Fs", 'Nw"1Pz\\\\4Gk<7Ye&3Mt>8Ua%5Xo{}2Vb,6Ci')
"""One with what other tokens have, and one with what is escaped in JSON, HTML and URLs."""

FAST = (
    "--rps", 400, "--poll-rps", 800, "--poll-initial", 0.05, "--poll-max", 0.2, "--run-timeout", 4, "--max-polls", 3,
    "--retries", 0, "--request-timeout", 4, "--drain-timeout", 1, "--max-outage", "20s",
)  # fmt: skip

FORMATS = ("parquet", "csv", "jsonl", "xlsx")


class SecretTrial:
    """A folder in which jobs run, and the secrets that must be found nowhere in it."""

    def __init__(self, folder: Path, *secrets: str) -> None:
        self.folder = folder
        self.search = search_for(secrets)
        self.violations = list[str]()
        self.shown = list[str]()
        """What the commands have shown."""
        self.kept = folder / "kept"
        """Where the secrets are kept; it is not searched."""
        self.jobs = folder / "jobs"
        for path in (self.kept, self.jobs):
            path.mkdir()

    def write_rows(self, count: int = len(ROWS)) -> None:
        """Write the input."""
        command.rows_file(self.jobs, count)

    def run(
        self,
        *words: object,
        env: dict[str, str],
        before: Callable[[], None] | None = None,
        installed: bool = False,
        codes: Sequence[int] = (0, 3, 4),
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command, and search what it shows. `installed`: in a process that began as this command."""
        if installed:
            done = command.installed_batchrun(*words, cwd=self.jobs, env=env)
        else:
            done = command.batchrun(*words, cwd=self.jobs, env=env, before=before)
        self.shown += done.stdout, done.stderr
        shown = shlex.join(map(str, words[:2]))
        self.violations += self.search.text(f"standard output of {shown}", done.stdout)
        self.violations += self.search.text(f"standard error of {shown}", done.stderr)
        if done.returncode not in codes:
            self.violations.append(f"{shown}: exit code {done.returncode}: {done.stderr[-500:]}")
        return done

    def read(self, url: str, env: dict[str, str], options: Sequence[object] = ()) -> None:
        """Run all commands that show something of the job in the folder `job`."""
        self.run("status", "job", env=env)
        self.run("status", "job", "--json", env=env)
        self.run("head", "job", env=env)
        for form in FORMATS:
            self.run("export", "job", "--format", form, "--to", f"exported-{form}", env=env)
        self.run("report", "job", "--to", "report.html", env=env)
        self.run("score", "job", "--score", "it=contains:you:'a'", env=env)
        service = ("--workflow-id", "w", "--base-url", url, *options)
        self.run("history", "run-0", *service, env=env)
        self.run("check", "rows.csv", *service, env=env)

    def search_all(self, search: Search | None = None) -> None:
        """Search every file that there is now; with another search, also what was shown before."""
        self.violations += (search or self.search).folder(self.jobs)
        if search is not None:
            for text in self.shown:
                self.violations += search.text("what was shown", text)


def search_for(secrets: Iterable[str], *, parts: bool = True) -> Search:
    """A search for these secrets. `parts`: also for parts of them."""
    return Search(*(Mark(f"secret {number}", secret, parts) for number, secret in enumerate(secrets, start=1)))
