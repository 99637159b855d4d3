"""A checkpoint that is damaged is called that by every command, and never a bug."""

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.support.command import RUN_FAST, batchrun

PAGE = 8192
RUN = (*RUN_FAST, "-q")
COMMANDS = (
    ("status", "job"),
    ("head", "job"),
    ("head", "job", "--errors"),
    ("export", "job"),
    ("check", *RUN[1:], "-o", "job"),
    ("resume", "job"),
    ("retry", "job"),
    (*RUN, "-o", "job"),
)
WORDS = ("malformed", "damaged", "not a database")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an input and a finished job of ten pages in `whole`."""
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "rows.csv").write_text("id,text\n" + "".join(f"{row},{'x' * 100}\n" for row in range(40)))
    done = batchrun(*RUN, "--sim", "fault=fail:id=3", "-o", "job", cwd=folder)
    assert done.returncode == 3, done.stderr
    (folder / "job").rename(folder / "whole")
    return folder


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_damaged_page_is_no_bug(job: Path, command: tuple[str, ...]) -> None:
    whole = (job / "whole" / "checkpoint.db").read_bytes()
    codes = set()
    for start in range(0, len(whole), PAGE):
        shutil.rmtree(job / "job", ignore_errors=True)
        shutil.copytree(job / "whole", job / "job")
        damage = bytes(PAGE) if start // PAGE % 2 else random.Random(start).randbytes(PAGE)
        (job / "job" / "checkpoint.db").write_bytes(whole[:start] + damage + whole[start + PAGE :])
        done = batchrun(*command, cwd=job)
        codes.add(done.returncode)
        assert done.returncode in {0, 2, 3, 74}, done.stderr
        assert "bug" not in done.stderr
        if done.returncode == 74:
            assert any(word in done.stderr for word in WORDS), done.stderr
    assert codes & {2, 74}  # the damage was noticed, if not in pages that this command does not read


def test_values_that_nobody_has_written_are_damage(job: Path) -> None:
    for statement, code in (
        ("UPDATE meta SET value = '{' WHERE name = 'pinned'", 74),
        ("DELETE FROM meta WHERE name = 'fingerprint'", 74),
        ("UPDATE meta SET value = 'x' WHERE name = 'touched'", 74),
        ("UPDATE meta SET value = CAST(x'ff' AS TEXT) WHERE name = 'pinned'", 2),
        ("DELETE FROM transitions", 74),
    ):
        shutil.rmtree(job / "job", ignore_errors=True)
        shutil.copytree(job / "whole", job / "job")
        db = sqlite3.connect(job / "job" / "checkpoint.db")
        db.execute(statement)
        db.commit()
        db.close()
        done = batchrun("retry", "job", cwd=job)
        assert done.returncode == code, (statement, done.stderr)
        assert any(word in done.stderr for word in WORDS), (statement, done.stderr)
