"""`batchrun report` on the installed command."""

import sys
from pathlib import Path

from tests.support.command import RUN_FAST, batchrun, rows_file, simulator, started


def test_it_prints_the_path_of_the_page_and_takes_a_name_and_columns_to_leave_out(tmp_path: Path) -> None:
    rows_file(tmp_path, 10)
    batchrun(*RUN_FAST, "-o", "job", "--sim", "fail=0.5", "-q", cwd=tmp_path)
    done = batchrun("report", "job", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "job/report.html\n", "")
    named = batchrun("report", "job", "-o", "named.html", "--redact", "id", cwd=tmp_path)
    assert (named.returncode, named.stdout) == (0, "named.html\n")
    page = (tmp_path / "named.html").read_text("utf-8")
    assert "Left out: the values of id." in page
    assert "batchrun retry job" in page
    (tmp_path / "linked.html").symlink_to("named.html")
    (tmp_path / "named.html").unlink()
    assert batchrun("report", "job", "-o", "linked.html", cwd=tmp_path).returncode == 0
    assert (tmp_path / "linked.html").is_symlink()
    assert (tmp_path / "named.html").exists()
    refused = batchrun("report", "job", "--redact", "nothing", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--redact nothing" in refused.stderr
    assert batchrun("report", "nowhere", cwd=tmp_path).returncode == 2


def test_it_works_while_the_job_runs(tmp_path: Path) -> None:
    with simulator(tmp_path, "--duration", "60") as service:
        rows_file(tmp_path, 50)
        job = ("run", "rows.csv", "--workflow-id", "echo", "-o", "job", "--base-url", service.base_url, "--rps", 50)
        with started(*job, cwd=tmp_path):
            service.wait_for("posts", 5)
            done = batchrun("report", "job", cwd=tmp_path)
            assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "job" / "report.html").read_text("utf-8")
    assert "It is running now: 0 of 50 rows completed so far." in page
    assert "batchrun status job --watch" in page


def _without_bokeh() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "bokeh"]:
        del sys.modules[name]
    sys.modules["bokeh"] = None  # type: ignore[assignment]  # so that an import of it fails


def test_without_the_extra_it_names_what_to_install(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    batchrun(*RUN_FAST, "-o", "job", "-q", cwd=tmp_path)
    done = batchrun("report", "job", cwd=tmp_path, before=_without_bokeh)
    assert done.returncode == 2
    assert "pip install 'batchrun[report]'" in done.stderr
    assert not (tmp_path / "job" / "report.html").exists()
