"""What a tired person does wrong: one plain message, the right exit code, nothing sent, nothing left behind."""

from pathlib import Path

import pytest

from tests.support.command import SECRET, batchrun, environment, rows_file, simulator

RUN = ("run", "rows.csv", "--workflow-id", "echo", "--simulate")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "absent.csv", "--workflow-id", "w", "--simulate"), "absent.csv"),
        (("run", "rows.xlsx", "--workflow-id", "w", "--simulate"), "--format"),
        (("run", "rows.csv", "--simulate"), "--workflow-id"),
        (("run", "--workflow-id", "w", "--simulate"), "INPUT"),
        ((*RUN, "--param", "text=txt"), "'txt'"),
        ((*RUN, "--param", "text"), "NAME=COLUMN"),
        ((*RUN, "--skip", "nope"), "'nope'"),
        ((*RUN, "--key", "nope"), "'nope'"),
        ((*RUN, "--rps", "0"), "--rps"),
        ((*RUN, "--rps", "fast"), "--rps"),
        ((*RUN, "--in-doubt", "maybe"), "--in-doubt"),
        ((*RUN, "--max-runtime", "soon"), "--max-runtime"),
        ((*RUN, "--sim", "durations=3"), "duration"),
        ((*RUN, "--select", "n=echo["), "--select n='echo['"),
        ((*RUN, "--select", "text=echo"), "'text'"),
        ((*RUN, "--select", "echo"), "NAME=EXPR"),
        ((*RUN, "-o", "rows.csv"), "rows.csv"),
        ((*RUN, "--speed", "9"), "--speed"),
        (("run", "ragged.csv", "--workflow-id", "w", "--simulate"), "ragged.csv"),
        (("run", "open.csv", "--workflow-id", "w", "--simulate"), "open.csv"),
        (("run", "twice.csv", "--workflow-id", "w", "--simulate"), "twice.csv"),
        (("run", "latin.csv", "--workflow-id", "w", "--simulate"), "--encoding"),
        (("run", "keys.csv", "--workflow-id", "w", "--simulate", "--key", "id"), "keys.csv"),
        (("status", "nowhere"), "nowhere"),
        (("resume", "nowhere"), "nowhere"),
        (("retry", "nowhere"), "nowhere"),
        (("retry", "nowhere", "--in-doubt", "hold"), "hold"),
        (("retry", "nowhere", "--row", "x"), "x"),
        (("export", "nowhere"), "nowhere"),
        (("frobnicate",), "frobnicate"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_told_in_plain_words_and_leaves_nothing(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    rows_file(tmp_path, 3)
    rows_file(tmp_path, 3, "rows.xlsx")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "open.csv").write_text('a,b\n1,"2\n3,4\n')
    (tmp_path / "twice.csv").write_text("a,a\n1,2\n")
    (tmp_path / "latin.csv").write_bytes("a,b\n1,é\n".encode("latin-1"))
    (tmp_path / "keys.csv").write_text("id\n1\n1\n")
    before = sorted(tmp_path.iterdir())
    done = batchrun(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(tmp_path.iterdir()) == before


def test_no_token_is_said_before_anything_else(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    bare = environment()
    del bare["COZE_API_TOKEN"]
    done = batchrun("run", "rows.csv", "--workflow-id", "w", cwd=tmp_path, env=bare)
    assert done.returncode == 2
    assert "COZE_API_TOKEN" in done.stderr


def test_another_job_in_the_directory_is_refused_with_what_differs(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    fast = ("--sim", "duration=0.1", "--sim", "pending=0", "--poll-initial", "0.2")
    assert batchrun(*RUN, *fast, "-o", "job", cwd=tmp_path).returncode == 0
    done = batchrun("run", "rows.csv", "--workflow-id", "penguin", "--simulate", "-o", "job", cwd=tmp_path)
    assert done.returncode == 2
    for word in ("--workflow-id", "echo", "penguin", "--fresh", "-o"):
        assert word in done.stderr
    (tmp_path / "rows.csv").write_text("id,text\n0,changed\n")
    assert batchrun(*RUN, "-o", "job", cwd=tmp_path).returncode == 2
    assert batchrun(*RUN, *fast, "-o", "job", "--fresh", cwd=tmp_path).returncode == 0
    assert len(list(tmp_path.glob("job.*"))) == 1


def test_the_token_is_nowhere_to_be_found(tmp_path: Path) -> None:
    rows_file(tmp_path, 5)
    with simulator(tmp_path, "--duration", "0.1") as service:
        done = batchrun(
            "run", "rows.csv", "--workflow-id", "echo", "--base-url", service.base_url, "-o", "job", "-v", cwd=tmp_path
        )
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    for path in (tmp_path / "job").iterdir():
        assert SECRET.encode() not in path.read_bytes(), path
    assert {path.name: oct(path.stat().st_mode)[-3:] for path in (tmp_path / "job").iterdir()} | {
        "checkpoint.db": "600",
        "job.toml": "600",
    } == {path.name: oct(path.stat().st_mode)[-3:] for path in (tmp_path / "job").iterdir()}
