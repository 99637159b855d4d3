"""Writes the page: the template, the styles and scripts, and the policy that allows these scripts alone."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import bokeh
from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from batchrun.errors import BugError
from batchrun.scoring.comparisons import Comparisons, Flip
from batchrun.views.printable import printable
from batchrun.views.report.charts import charts_of
from batchrun.views.report.formats import seconds, when
from batchrun.views.report.in_short import Answer, answers
from batchrun.views.report.model import JobReport, Report, ShownRow
from batchrun.views.report.plot import Chart
from batchrun.views.verdicts import score_of, verdicts

MAX_BYTES = 6_000_000
"""Of the whole page."""

MAX_TEXT = 400
"""Characters of a value, a message or an output that are shown."""

_BOKEH = "server/static/js/bokeh.min.js"


@dataclass(frozen=True, slots=True)
class _JobPage:
    """One job as the template shows it. `rows`: the most rows in each table."""

    job: JobReport
    id: str
    answers: Sequence[Answer]
    charts: Sequence[Chart]
    slowest: Sequence[ShownRow]
    failed: Sequence[ShownRow]


def render(report: Report) -> bytes:
    """The page as UTF-8. Where it would be too large, it shows fewer rows and less of each text."""
    charts = [charts_of(job, f"job{place}") for place, job in enumerate(report.jobs)]
    rows, text = max(len(job.failed) + len(job.slowest) for job in report.jobs), MAX_TEXT
    while True:
        page = _rendered(report, charts, rows, text)
        if len(page) <= MAX_BYTES:
            return page
        if rows > 10:
            rows //= 2
        elif text > 20:
            text //= 2
        else:
            raise BugError(f"the report has {len(page):,} bytes, although it has hardly any rows")


def _rendered(report: Report, charts: Sequence[Sequence[Chart]], rows: int, text: int) -> bytes:
    pages = [
        _JobPage(job, f"job{place}", answers(job), drawn, job.slowest[:rows], job.failed[:rows])
        for place, (job, drawn) in enumerate(zip(report.jobs, charts, strict=True))
    ]
    found = report.comparison
    if found is not None:
        found = replace(found, flips=found.flips[:rows])
    library, script = _library(), _own("page.js")
    data = {chart.id: chart.item for drawn in charts for chart in drawn}
    html = _template(text).render(
        report=report,
        pages=pages,
        comparison=found,
        verdicts=[] if found is None else verdicts(found),
        scale=_Scale,
        flips=[] if found is None else _grouped(found.flips),
        policy=_policy(library, script) if data else _policy(script),
        library=library if data else "",
        script=script,
        style=_own("page.css"),
        data=_json_in_html(data),
    )
    return html.encode("utf-8", "replace")


def _grouped(flips: Iterable[Flip]) -> dict[tuple[str, str, bool], list[Flip]]:
    groups: dict[tuple[str, str, bool], list[Flip]] = {}
    for flip in flips:
        groups.setdefault((flip.scorer, flip.variant, flip.better), []).append(flip)
    return groups


class _Scale:
    """Places values between the lowest and the highest end of all intervals of a scorer, in percent of a width."""

    def __init__(self, found: Comparisons, scorer: str) -> None:
        figures = found.by_scorer[scorer].figures
        ends = [end for one in figures for end in (one.low, one.mean, one.high) if end is not None]
        self.low, self.high = min(ends, default=0.0), max(ends, default=1.0)
        if self.low == self.high:
            self.low, self.high = self.low - 0.5, self.high + 0.5

    def place(self, value: float) -> float:
        """Where the value is."""
        return round(4 + 92 * (value - self.low) / (self.high - self.low), 2)


@cache
def _template(text: int) -> Template:
    environment = Environment(
        loader=FunctionLoader(_own), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters: dict[str, Callable[..., str | None]] = {
        "shown": lambda value: _shown(value, text),
        "seconds": seconds,
        "when": when,
        "link": _link,
        "figure": _figure,
        "p": _p,
        "score": score_of,
        "count": lambda value: f"{value:,}",
    }
    environment.filters |= filters
    return environment.get_template("page.html")


_DIRECTIONS = {
    code: f"\\u{code:04x}" for code in (0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
"""Characters that turn the direction of the text around them, with which a text can pose as another."""


def _shown(value: object, most: int) -> str:
    """A text from an input or the service: cut, and with control characters as escapes."""
    text = "" if value is None else printable(str(value)).translate(_DIRECTIONS)
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def _figure(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.3f}"


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _link(address: str | None) -> str | None:
    """The address if it may be a link: https alone, to a host."""
    if address is None:
        return None
    try:
        parts = urlsplit(address)
        return address if parts.scheme == "https" and parts.hostname and len(address) <= 2000 else None
    except ValueError:
        return None


def _json_in_html(value: object) -> str:
    """JSON that cannot end the script element in which it stands, nor a line of a script."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _policy(*scripts: str) -> str:
    """The content security policy: no loads, and no script but these. BokehJS makes style elements of its own."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@cache
def _library() -> str:
    """BokehJS. It draws on the page without a network, and without evaluating text as a script."""
    text = (Path(bokeh.__file__).parent / _BOKEH).read_text("utf-8")
    if "</script" in text.lower() or "\r" in text:
        raise BugError("BokehJS cannot stand in a script element")
    return text


@cache
def _own(name: str) -> str:
    return (files("batchrun.views.report") / name).read_text("utf-8")
