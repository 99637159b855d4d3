"""Reports in headless Chromium: nothing is loaded, nothing is refused, charts are drawn, and tables can be used.

Skipped where no chromium is on PATH, or playwright is not installed.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import batchrun
from tests.support.rehearsal import Rehearsal
from tests.support.report_pages import hostile_job, throttled_job

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is on PATH")

REFUSALS = "window.refused = []; addEventListener('securitypolicyviolation', e => window.refused.push(e.blockedURI))"
DRAWN = """() => [...document.querySelectorAll(".chart")].map(chart => {
  const paths = root => [...root.querySelectorAll("*")].reduce(
    (sum, one) => sum + (one.tagName === "path") + (one.shadowRoot ? paths(one.shadowRoot) : 0), 0);
  return paths(chart);
})"""
INK = """() => {
  const texts = root => [...root.querySelectorAll("*")].flatMap(
    one => [one.tagName === "text" ? one.getAttribute("fill") : "", ...(one.shadowRoot ? texts(one.shadowRoot) : [])]);
  return [...new Set(texts(document.querySelector(".chart")))].join(" ");
}"""
"""The colours of the text in the first chart."""


@dataclass
class Visit:
    """An open page, and everything that it should not have done."""

    page: "Page"
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A browser. While it is open, no event loop can be run in this thread."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=60_000)
        yield browser
        browser.close()


def visit(browser: "Browser", path: Path, width: int = 1280, scheme: str = "light") -> Visit:
    """Open the page, and wait until its charts are drawn."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    found = Visit(page)
    page.on("console", lambda said: found.complaints.extend([said.text] if said.type in {"error", "warning"} else []))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("dialog", lambda dialog: found.complaints.append(dialog.message))
    page.on("request", lambda request: found.requests.append(request.url))
    page.add_init_script(REFUSALS)
    page.goto(path.as_uri())
    page.wait_for_function("() => document.documentElement.dataset.charts === 'drawn'", timeout=30_000)
    return found


def quiet(found: Visit, path: Path) -> bool:
    """Whether nothing was complained of, refused or requested."""
    assert found.complaints == []
    assert found.page.evaluate("window.refused") == []
    assert found.requests == [path.as_uri()]
    return True


def test_a_report_is_drawn_quietly_follows_the_theme_and_can_be_used_by_keyboard(tmp_path: Path) -> None:
    report = batchrun.report(throttled_job(tmp_path, 120).folder / "job")
    with chromium() as browser:
        found = visit(browser, report)
        assert len(found.page.evaluate(DRAWN)) == 6
        assert all(paths > 5 for paths in found.page.evaluate(DRAWN))
        light = found.page.evaluate(INK)
        found.page.emulate_media(color_scheme="dark")
        found.page.wait_for_function(f"(light) => ({INK})() !== light", arg=light)
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 1280
        dark = visit(browser, report, 390, "dark")
        assert dark.page.evaluate(INK) == found.page.evaluate(INK) != light
        assert dark.page.evaluate("document.documentElement.scrollWidth") <= 390, "nothing is wider than a phone"
        search_and_sort(found.page)
        assert quiet(found, report)
        assert quiet(dark, report)


def search_and_sort(page: "Page") -> None:
    rows = page.locator("#job0-failed tbody tr:visible")
    total = rows.count()
    number = page.locator("#job0-failed tbody th").nth(1).inner_text()
    search = page.get_by_label("Search in these rows").first
    search.fill(f"run_failed {number}")
    assert 1 <= rows.count() < total
    assert page.locator("#job0-failed-count").inner_text() == f"{rows.count()} of {total} rows"
    search.fill("")
    assert rows.count() == total
    head = page.locator("#job0-failed thead th").first
    head.locator("button").focus()
    for order in ("ascending", "descending"):
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == order
        numbers = [int(text) for text in page.locator("#job0-failed tbody th").all_inner_texts()]
        assert numbers == sorted(numbers, reverse=order == "descending")


def test_tables_are_printed_whole_and_texts_have_room(tmp_path: Path) -> None:
    words = "What is twelve times twelve?"
    columns = {f"column {number}": words for number in range(9)}
    rehearsal = Rehearsal(tmp_path, [{"id": str(row), **columns} for row in range(12)], "duration=1", "fail=0.5")
    rehearsal.run()
    with chromium() as browser:
        page = visit(browser, batchrun.report(tmp_path / "job")).page
        cell = page.locator("#job0-slowest td.text", has_text=words).first
        assert cell.evaluate("one => one.clientHeight") < 40, "a short text takes one line"
        page.set_viewport_size({"width": 700, "height": 1000})
        page.emulate_media(media="print")
        overflow = "all => all.map(one => one.scrollWidth - one.clientWidth)"
        assert max(page.locator(".rows .scroll").evaluate_all(overflow)) <= 0


def test_hostile_texts_are_inert(tmp_path: Path) -> None:
    report = batchrun.report(hostile_job(tmp_path).folder / "job")
    with chromium() as browser:
        found = visit(browser, report)
        assert quiet(found, report)
        assert "batchrun report" in found.page.title()
        assert found.page.locator("script, img").count() == 3
        assert found.page.locator("a[href^=javascript]").count() == 0
        assert found.page.locator("#job0-failed").is_visible()
