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
        (("run", "-c", "table.toml"), "table.toml, line 1: job: unknown table; options stand above all tables"),
        (("run", "-c", "names.toml"), "names.toml, line 6: type: max-in-flight is a column here, not the option"),
        (("run", "-c", "names.toml"), "names.toml, line 5: --key nope: the input has no column"),
        (("run", "conflict.csv", "--workflow-id", "w", "--simulate"), "line 3: '<<<<<<< HEAD' marks a merge conflict"),
        ((*RUN, "--key", "nope", "--type", "id=int"), "--key nope: the input has no column"),
        ((*RUN, "--key", "id", "--reuse", "last-night"), "no such directory"),
        ((*RUN, "--log-file", ""), "--log-file: is empty"),
        ((*RUN, "--log-file", "absent/log.txt"), "there is no folder absent"),
        ((*RUN, "--rps", "1e9"), "must be at most 1000000"),
        ((*RUN, "--sim", "rps"), "for example rps=5"),
        ((*RUN, "--skip", "id,text"), "one at a time: --skip id --skip text"),
        (("run", "row.csv", *RUN[2:]), "row.csv: no such file; did you mean rows.csv?"),
        ((*RUN, "-rps", "5"), "Long options have two dashes: --rps"),
        ((*RUN, "-out", "x"), "Long options have two dashes: --out"),
        ((*RUN, "--concurrency", "5"), "-j, --max-in-flight"),
        ((*RUN, "--token", "x"), "COZE_API_TOKEN"),
        (("resume", "nowhere", "-n"), "batchrun run … -o DIR --dry-run"),
        (("history", "17", "--simulate"), "batchrun simulate"),
        (("run", "rows.csv", "--workflow-id", "w", "--token-command", "cat x | head -1"), "write sh -c '…' around"),
        (("run", "rows.csv", "--workflow-id", "w", "--token-command", "cat ~/absent"), "it runs without a shell, so ~"),
        (("status", ""), "DIR: is empty"),
        (("resume", ""), "DIR: is empty"),
        (("export", "nowhere", "--to", ""), "--to: is empty"),
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
    job = 'input = "rows.csv"\nworkflow-id = "w"\nsimulate = true\n'
    (tmp_path / "table.toml").write_text(f"[job]\n{job}")
    (tmp_path / "names.toml").write_text(f'{job}skip = []\nkey = "nope"\n[type]\nmax-in-flight = 5\n')
    (tmp_path / "conflict.csv").write_text("a,b\n1,2\n<<<<<<< HEAD\n3,4\n=======\n>>>>>>> other\n")
    before = sorted(tmp_path.iterdir())
    done = batchrun(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((*RUN, "--skip", "id", "--skip", "text"), "no column is sent, so that every row gets the same request"),
        ((*RUN, "--base-url", "https://x.y"), "--base-url https://x.y has no effect with --simulate"),
        (("run", "double.csv", *RUN[2:]), "double.csv: line 3 (row 1) is the header once more"),
        (("run", "double.csv", *RUN[2:], "--type", "a=str"), "double.csv: line 3 (row 1) is the header once more"),
        (("run", "marks.csv", *RUN[2:]), "marks.csv: line 4 (row 2) is '=======', as in a merge conflict"),
    ],
)
def test_what_is_probably_a_mistake_is_told_and_not_refused(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    rows_file(tmp_path, 3)
    (tmp_path / "double.csv").write_text("a,b\n1,2\na,b\n3,4\n")
    (tmp_path / "marks.csv").write_text("a\n1\n2\n=======\n3\n")
    done = batchrun(*arguments, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0
    assert told in done.stderr


def test_a_variable_that_is_neither_true_nor_false_is_the_only_mistake(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    bare = environment(BATCHRUN_SIMULATE="maybe")
    del bare["COZE_API_TOKEN"]
    done = batchrun("run", "rows.csv", "--workflow-id", "w", cwd=tmp_path, env=bare)
    assert done.returncode == 2
    assert done.stderr == "Error: BATCHRUN_SIMULATE: expected true or false (got 'maybe')\n"


def test_one_mistake_about_the_input_is_told_once(tmp_path: Path) -> None:
    for name in ("-", "https://host/rows.csv", "job.toml"):
        done = batchrun("run", name, *RUN[2:], cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


@pytest.mark.parametrize("command", ["echo {} | head -1", "echo '{}"])
def test_a_command_that_holds_the_token_is_not_repeated(tmp_path: Path, command: str) -> None:
    rows_file(tmp_path, 3)
    done = batchrun("run", "rows.csv", *RUN[2:4], "--token-command", command.format(SECRET), cwd=tmp_path)
    assert done.returncode == 2
    assert SECRET not in done.stderr


def test_a_limit_below_what_was_submitted_is_told(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    fast = ("--sim", "duration=0.1", "--poll-initial", "0.2")
    assert batchrun(*RUN, *fast, "-q", cwd=tmp_path).returncode == 0
    done = batchrun("resume", "rows-simulated", "--limit", "2", cwd=tmp_path)
    assert "--limit 2: submitted before beyond it, and still in the job: 1 row" in done.stderr


def test_a_log_file_may_be_in_the_run_directory_that_is_made_later(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    fast = ("--sim", "duration=0.1", "--poll-initial", "0.2", "-q")
    log_file = ("-o", "night", "--log-file", "night/log.txt")
    refused = batchrun(*RUN, *fast, *log_file, "--key", "nope", cwd=tmp_path)
    assert refused.returncode == 2
    assert batchrun(*RUN, *fast, *log_file, cwd=tmp_path).returncode == 0
    assert "3 completed" in (tmp_path / "night" / "log.txt").read_text()


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
