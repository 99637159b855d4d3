"""What set the pace, as the report of a whole job says it."""

import re
from pathlib import Path

import batchrun
from batchrun.views.closing_summary import summary_lines
from tests.support.rehearsal import Rehearsal
from tests.support.report_pages import Page


def shares(page: Page) -> dict[str, int]:
    """The percentages of the time, by what set the pace."""
    found = re.findall(r"(?:What set the pace for|For) (\d+)% of the time: (.*?)\.(?= |$)", page.text)
    return {text: int(share) for share, text in found}


def test_a_job_of_seconds_at_its_rate_is_told_as_its_summary_tells_it(tmp_path: Path) -> None:
    for number, rows in enumerate((30, 70, 200)):
        folder = tmp_path / str(number)
        folder.mkdir()
        summary = Rehearsal(folder, rows, "duration=4", "pending=0").run()
        assert summary.submit_rate is not None
        assert summary.submit_rate.share > 0.9
        told = shares(Page(batchrun.report(folder / "job")))
        rate = next(share for text, share in told.items() if text.startswith("the rate of submissions, --rps 50"))
        assert abs(rate / 100 - rows / 50 / summary.elapsed_s) < 0.1
        assert any(text.endswith("the last runs were known to have ended") for text in told)
        assert sum(told.values()) == 100


def test_a_share_of_a_rate_is_told_and_no_429_that_never_was(tmp_path: Path) -> None:
    Rehearsal(tmp_path, 60, "duration=1", "pending=0").run(rps=10)
    job = tmp_path / "job" / "job.toml"  # as if other jobs had had the rest
    text, found = re.subn(r"(?m)^rps = 10(\.0)?$", 'rps = 20\nshare-limits = "coze"', job.read_text())
    assert found == 1
    job.write_text(text)
    page = Page(batchrun.report(tmp_path / "job"))
    assert "this job's share of --rps 20, which --share-limits coze divides" in page.text
    assert "it answered 429" not in page.text


def test_ends_that_are_found_only_as_fast_as_polls_are_allowed_are_told(tmp_path: Path) -> None:
    summary = Rehearsal(tmp_path, 300, "duration=1", "pending=0").run(poll_rps=10)
    assert summary.poll_rate is not None
    assert (summary.poll_rate.allowed_per_s, summary.poll_rate.share > 0.9) == (10, True)
    assert any(re.search(r"polls at \d+ % of --poll-rps 10 \(", line) for line in summary_lines(summary))
    told = shares(Page(batchrun.report(tmp_path / "job")))
    assert told["the rate of polls, --poll-rps 10; ends of runs were found late"] > 60
    assert told["the rate of submissions, --rps 50"] < 30


def test_polls_with_room_are_not_told_as_a_limit(tmp_path: Path) -> None:
    summary = Rehearsal(tmp_path, 100, "duration=1", "pending=0").run()
    assert summary.poll_rate is not None
    assert summary.poll_rate.share < 0.9
    assert not any("--poll-rps" in line for line in summary_lines(summary))
    assert "--poll-rps" not in Page(batchrun.report(tmp_path / "job")).text


def test_a_few_polls_at_the_pace_of_the_submissions_are_not_told_as_a_limit(tmp_path: Path) -> None:
    summary = Rehearsal(tmp_path, 30, "duration=0.3").run(rps=50, poll_rps=50)
    assert summary.polls >= 30
    assert not any("--poll-rps" in line for line in summary_lines(summary))
