"""The samples are used as they are; only places on the machine are put in."""

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from batchrun.adapters.files.lock import owned
from batchrun.job import Job
from tests.support.command import BATCHRUN, SECRET, Service, batchrun, environment, rows_file, simulator

SAMPLES = Path(__file__).parents[2] / "samples"
ANALYZE = shutil.which("systemd-analyze")


def test_the_job_file_runs_as_it_is(tmp_path: Path) -> None:
    shutil.copytree(SAMPLES, tmp_path / "samples")
    done = batchrun("run", "-c", "samples/job.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "penguins-simulated" / "outputs.parquet")
    assert table.num_rows == 344
    assert table["key"][0].as_py() == "PAL0708-Adelie-1"
    again = batchrun("run", "-c", "penguins-simulated/job.toml", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


def jobs_folder(folder: Path, service: Service) -> Path:
    """What stands on the machine for which the samples are written: `/srv/jobs`."""
    rows_file(folder, 3)
    (folder / "token").write_text(SECRET + "\n")
    (folder / "batchrun.toml").write_text(
        f'input = "rows.csv"\nworkflow-id = "echo"\nbase-url = "{service.base_url}"\npoll-initial = 0.2\nrps = 100\n'
    )
    return folder


def on_this_machine(text: str, folder: Path) -> str:
    """A sample's text with the places of this machine."""
    text = text.replace("/srv/batchrun/bin", str(Path(BATCHRUN).parent)).replace("/srv/jobs", str(folder))
    assert "/srv" not in text
    return text


def bare_environment(**more: str) -> dict[str, str]:
    """What cron and systemd give to a command: no token."""
    return {name: text for name, text in environment(**more).items() if name != "COZE_API_TOKEN"}


def crontab(folder: Path) -> tuple[dict[str, str], str]:
    """The variables and the command line of the crontab."""
    lines = on_this_machine((SAMPLES / "crontab").read_text(), folder).splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    variables = dict(line.split("=", 1) for line in lines if not line[0].isdigit())
    (command,) = [line.split(maxsplit=5)[5] for line in lines if line[0].isdigit()]
    assert "%" not in command.replace("\\%", "")
    return variables, command


def mail_of_a_night(folder: Path) -> str:
    """What the line of the crontab prints, which cron mails."""
    variables, command = crontab(folder)
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=bare_environment(**variables),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_crontab_mails_nothing_while_all_is_well_and_logs_the_rest(tmp_path: Path) -> None:
    with simulator(tmp_path, "--duration", "0.1") as service:
        folder = jobs_folder(tmp_path, service)

        def night() -> str:
            return mail_of_a_night(folder)

        assert night() == ""
        assert pq.read_table(tmp_path / "rows-run" / "outputs.parquet").num_rows == 3
        assert "3 completed" in (tmp_path / "batchrun.log").read_text()
        (tmp_path / "batchrun.toml").write_text("rps = 0")
        mail = night()
        assert night() == "", "the same again is not mailed every night"
    assert mail.startswith("batchrun ended with exit code 2\n")
    assert mail.count("must be more than 0") == 1, "it is told once"
    assert "batchrun.toml, line 1: rps: must be more than 0 (got 0)" in mail
    assert "3 completed" not in mail, "of an earlier night"


def test_the_crontab_mails_what_happens_before_the_log_file_can_be_opened(tmp_path: Path) -> None:
    with simulator(tmp_path, "--duration", "0.1") as service:
        folder = jobs_folder(tmp_path, service)
        (folder / "batchrun.log").mkdir()
        mail = mail_of_a_night(folder)
    assert mail.startswith("batchrun ended with exit code 2\n")
    assert "batchrun.log" in mail.splitlines()[-1]


def test_the_crontab_mails_failed_rows_once_and_again_when_there_are_more(tmp_path: Path) -> None:
    failing = [argument for row in (1, 4) for argument in ("--fault", f"fail:id={row}")]
    with simulator(tmp_path, "--duration", "0.1", *failing) as service:
        folder = jobs_folder(tmp_path, service)

        def night(rows: int) -> str:
            rows_file(folder, rows)
            return mail_of_a_night(folder)

        assert night(3).startswith("batchrun ended with exit code 3\n")
        assert night(3) == "", "the same row"
        with owned(folder / "rows-run" / "checkpoint.lock"):
            assert night(4) == "", "75: another process is at work"
            assert night(4).startswith("batchrun ended with exit code 75\n"), "two nights, and no row was completed"
        assert "(exit code 75)" in (folder / "batchrun.log").read_text()
        assert night(4) == "", "the same row, after a night with another code"
        assert night(5).startswith("batchrun ended with exit code 3\n"), "one more"


def test_the_crontab_tells_of_failed_rows_also_in_a_rehearsal(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    (tmp_path / "token").write_text(SECRET)
    sim = 'sim = ["duration=0", "fault=fail:id=1", "fault=fail:id=4"]'
    (tmp_path / "batchrun.toml").write_text(
        f'input = "rows.csv"\nworkflow-id = "echo"\nsimulate = true\n{sim}\npoll-initial = 0.05\n'
    )
    assert mail_of_a_night(tmp_path).startswith("batchrun ended with exit code 3\n")
    rows_file(tmp_path, 5)
    assert mail_of_a_night(tmp_path).startswith("batchrun ended with exit code 3\n"), "one more"
    assert '"failed":2' in (tmp_path / "last-end").read_text()


def unit(name: str) -> configparser.RawConfigParser:
    """A unit file of systemd."""
    parser = configparser.RawConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as the documentation of configparser advises
    parser.read(SAMPLES / name)
    return parser


def test_the_service_runs_and_drains_within_its_time(tmp_path: Path) -> None:
    service_unit = unit("batchrun.service")["Service"]
    with simulator(tmp_path, "--duration", "0.1") as service:
        folder = jobs_folder(tmp_path, service)
        arguments = shlex.split(on_this_machine(service_unit["ExecStart"], folder))
        done = subprocess.run(
            arguments,
            cwd=on_this_machine(service_unit["WorkingDirectory"], folder),
            env=bare_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "rows-run" / "outputs.parquet").num_rows == 3
    assert float(service_unit["TimeoutStopSec"]) > Job.model_fields["drain_timeout"].default
    assert service_unit["RestartForceExitStatus"] == "75"
    assert service_unit["SuccessExitStatus"].split() == ["75", "143"]
    assert service_unit["KillSignal"] == "SIGTERM"


def test_the_timer_starts_the_service_every_night_also_after_a_power_cut() -> None:
    timer = unit("batchrun.timer")
    assert timer["Timer"]["Persistent"] == "true"
    assert timer["Install"]["WantedBy"] == "timers.target"
    if ANALYZE is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        [ANALYZE, "calendar", timer["Timer"]["OnCalendar"]], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_units_are_what_systemd_wants(tmp_path: Path) -> None:
    if ANALYZE is None:
        pytest.skip("systemd-analyze is not installed")
    for name in ("batchrun.service", "batchrun.timer"):
        (tmp_path / name).write_text(on_this_machine((SAMPLES / name).read_text(), tmp_path))
    done = subprocess.run(
        [ANALYZE, "verify", tmp_path / "batchrun.service", tmp_path / "batchrun.timer"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) not in done.stderr  # no warning about our own units


def test_the_samples_are_explained() -> None:
    text = (SAMPLES / "README.md").read_text("utf-8")
    for path in SAMPLES.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in text, path.name


def without_ray(command: str) -> str:
    """The command, for one process."""
    changed = command.replace(" --ray auto", "")
    assert changed != command
    return changed


@pytest.mark.parametrize(("fault", "code"), [("fault=fail:id=1", 0), ("fault=auth", 1)])
def test_a_ray_job_with_some_failed_rows_is_not_tried_again(tmp_path: Path, fault: str, code: int) -> None:
    lines = on_this_machine((SAMPLES / "rayjob.yaml").read_text(), tmp_path).splitlines()
    (entrypoint,) = [line.partition(": ")[2] for line in lines if line.startswith("  entrypoint: ")]
    rows_file(tmp_path, 3)
    (tmp_path / "batchrun.toml").write_text(
        f'input = "rows.csv"\nworkflow-id = "echo"\nsimulate = true\nsim = ["duration=0", "{fault}"]\n'
        "poll-initial = 0.05\nmax-outage = 1\n"
    )
    command = without_ray(entrypoint).replace("--workers 4", "--workers 1")
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=environment(PATH=f"{Path(BATCHRUN).parent}:/usr/bin:/bin"),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr


def test_the_slurm_script_starts_ray_on_all_nodes_and_the_job_on_one(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    (tmp_path / "batchrun.toml").write_text(
        'input = "rows.csv"\nworkflow-id = "echo"\nsimulate = true\nsim = ["duration=0"]\npoll-initial = 0.05\n'
    )
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, words in {
        "srun": '#!/bin/bash\n[ "$1" = --kill-on-bad-exit=0 ] && shift && exec "$@"\n',
        "ray": '#!/bin/bash\necho "ray ${*:1:7}"\n[ "$8" = -- ] && shift 8 && exec "$@"\n',
    }.items():
        (tools / name).write_text(words)
        (tools / name).chmod(0o755)
    script = without_ray(on_this_machine((SAMPLES / "slurm.sh").read_text(), tmp_path))
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        env=environment(
            PATH=f"{tools}:{Path(BATCHRUN).parent}:/usr/bin:/bin", SLURM_JOB_NUM_NODES="1", SLURM_CPUS_PER_TASK="1"
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ray symmetric-run --address node01:6379 --min-nodes 1 --num-cpus 1\n")
    assert pq.read_table(tmp_path / "rows-simulated" / "outputs.parquet").num_rows == 3
