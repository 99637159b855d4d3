"""The stand-in service in another process."""

import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Server:
    """A stand-in that runs."""

    url: str
    process: "subprocess.Popen[str]"
    certificate: str | None = None
    """The file with its certificate, if it speaks TLS."""

    def stats(self) -> dict[str, Any]:
        """Its counts; see `Service.stats`. Also `cpu`: seconds that it has used, and `now`."""
        found: dict[str, Any] = self._get("stats")
        return found

    def times(self) -> dict[str, list[float]]:
        """Everything it has noted; see `Service.times`."""
        found: dict[str, list[float]] = self._get("times")
        return found

    def _get(self, page: str) -> Any:
        context = None if self.certificate is None else ssl.create_default_context(cafile=self.certificate)
        with urllib.request.urlopen(f"{self.url}/{page}", timeout=60, context=context) as said:
            return json.load(said)


@contextmanager
def serving(*options: object, seconds: float = 600, tls: tuple[str, str] | None = None) -> Iterator[Server]:
    """A fresh stand-in until the block ends, or for so many seconds.

    `options`: see `standin.main`. `tls`: the files with its certificate and its key.
    """
    words = [sys.executable, "-m", "tests.benchmarks.standin", "--seconds", str(seconds), *map(str, options)]
    words += ["--tls", *tls] if tls else []
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise RuntimeError("the stand-in service did not start")
            yield Server(url, process, tls[0] if tls else None)
        finally:
            process.terminate()
