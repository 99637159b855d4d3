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
        ((*RUN, "--reuse", "last-night"), "--key"),
        ((*RUN, "--key", "id", "--reuse", "last-night"), "last-night: holds no job"),
        ((*RUN, "--callback-url", "http://x"), "--callback-url needs --callback-listen"),
        ((*RUN, "--callback-url", "http://x", "--callback-listen", ":0"), "--callback-listen: expected HOST:PORT"),
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
        (("statsu", "x"), "Did you mean status?"),
        (("rows.csv", "--workflow-id", "w"), "batchrun run rows.csv"),
        (("--simulate", "run", "rows.csv"), "Options follow the command"),
        (("run", "rows.csv", "ragged.csv", "--workflow-id", "w"), "Only Parquet files can be several"),
        (("run", "-", "--workflow-id", "w", "--simulate"), "save them to a file"),
        (("run", "https://host/rows.csv", "--workflow-id", "w", "--simulate"), "download the file first"),
        (("run", "some.toml"), "batchrun run -c some.toml"),
        (("run", "-c", "absent.toml"), "absent.toml: cannot be read"),
        (("run", "-c", "some.toml"), "some.toml, line 2: rps: must be more than 0 (got 0)"),
        (("run", "-c", "some.toml", "-c", "some.toml"), "only one file"),
        (("run", "rows.csv", "--workflow-id", "w", "--sim", "fail=1"), "the real service"),
        (("run", "rows.csv", "--workflow-id", "w", "--token-file", ""), "--token-file: is empty"),
        (("run", "rows.csv", "--workflow-id", "w", "--ca-file", "absent.pem"), "--ca-file absent.pem"),
        (("run", "rows.csv", "--workflow-id", "w", "--ca-file", "rows.csv"), "no certificate in PEM"),
        ((*RUN, "-o", ""), "-o: is empty"),
        (("resume", "rows.csv"), "rows.csv: is a file; name the run directory of a job"),
        (("resume", "x", "-c", "some.toml"), "resume starts from the job that DIR holds"),
        (("resume", "x", "--workflow-id", "w"), "cannot change"),
        (("init", "some.toml"), "already exists; not overwritten"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_reported_plainly_and_leaves_nothing(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    rows_file(tmp_path, 3)
    rows_file(tmp_path, 3, "rows.xlsx")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "open.csv").write_text('a,b\n1,"2\n3,4\n')
    (tmp_path / "twice.csv").write_text("a,a\n1,2\n")
    (tmp_path / "latin.csv").write_bytes("a,b\n1,é\n".encode("latin-1"))
    (tmp_path / "keys.csv").write_text("id\n1\n1\n")
    (tmp_path / "some.toml").write_text('input = "rows.csv"\nrps = 0\n')
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


@pytest.mark.parametrize("secret", ["pat_" + "aB3" * 8, SECRET * 2, "eyJhbGciOi.eyJzdWIiOiIx.c2lnbmF0dXJl"])
def test_a_token_in_the_place_of_its_file_is_not_repeated(tmp_path: Path, secret: str) -> None:
    rows_file(tmp_path, 3)
    done = batchrun("run", "rows.csv", "--workflow-id", "w", "--token-file", secret, cwd=tmp_path)
    assert done.returncode == 2
    assert "put it into a file" in done.stderr
    assert secret not in done.stderr


@pytest.mark.parametrize("token", ["Bearer abc", '"abc"', "'abc'"])
def test_a_token_with_more_than_the_token_is_refused(tmp_path: Path, token: str) -> None:
    rows_file(tmp_path, 3)
    done = batchrun("run", "rows.csv", "--workflow-id", "w", cwd=tmp_path, env=environment(COZE_API_TOKEN=token))
    assert done.returncode == 2
    assert "COZE_API_TOKEN: give the token alone, without quotes and without Bearer" in done.stderr


def test_a_variable_that_names_no_option_causes_a_warning_and_the_job_runs(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    fast = environment(
        BATCHRUN_MAX_INFLIGHT="3", BATCHRUN_SIMULATE="yes", BATCHRUN_POLL_INITIAL="0.2", BATCHRUN_PROGRESS="none"
    )
    sim = ("--sim", "duration=0.1", "--sim", "pending=0")
    done = batchrun("run", "rows.csv", "--workflow-id", "echo", *sim, cwd=tmp_path, env=fast)
    assert done.returncode == 0
    assert "BATCHRUN_MAX_INFLIGHT is not read: there is no option of this name" in done.stderr
    assert "did you mean BATCHRUN_MAX_IN_FLIGHT?" in done.stderr


def test_an_unreachable_address_is_reported_with_the_reason(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    nobody = ("--base-url", "http://127.0.0.1:1", "--max-outage", "3s")
    done = batchrun("run", "rows.csv", "--workflow-id", "w", *nobody, cwd=tmp_path)
    assert done.returncode == 75
    assert "service unavailable, waiting up to " in done.stderr
    assert "127.0.0.1:1" in done.stderr.split("Stopped: ")[1]


def test_a_run_directory_is_no_input(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    sim = ("--sim", "duration=0.1", "--sim", "pending=0", "--poll-initial", "0.2")
    assert batchrun(*RUN, *sim, cwd=tmp_path).returncode == 0
    done = batchrun("run", "rows-simulated", "--workflow-id", "echo", "--simulate", cwd=tmp_path)
    assert done.returncode == 2
    assert "batchrun resume rows-simulated" in done.stderr
    assert not (tmp_path / "rows-simulated-simulated").exists()


def test_a_written_job_file_runs(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    (tmp_path / "jobs").mkdir()
    done = batchrun("init", "jobs/nightly.toml", "--input", "rows.csv", "--workflow-id", "echo", cwd=tmp_path)
    assert done.returncode == 0
    assert "batchrun run -c jobs/nightly.toml --simulate" in done.stdout
    before = (tmp_path / "jobs" / "nightly.toml").read_text()
    sim = ("--sim", "duration=0.1", "--sim", "pending=0", "--poll-initial", "0.2", "-o", "job")
    done = batchrun("run", "-c", "jobs/nightly.toml", "--simulate", *sim, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert batchrun("init", "jobs/nightly.toml", cwd=tmp_path).returncode == 2
    assert (tmp_path / "jobs" / "nightly.toml").read_text() == before
    assert "workflow-id" in batchrun("init", cwd=tmp_path).stdout
    assert (tmp_path / "batchrun.toml").exists()


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
