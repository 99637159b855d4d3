"""The documented sweep runs as it is, and the rules and options that its page names exist."""

import json
import re
import shlex
from pathlib import Path

import pytest

from batchrun.cli.compare import command as compare_command
from batchrun.scoring.requirements import parse_requirement
from batchrun.scoring.specs import parse_score
from tests.support.command import batchrun

ROOT = Path(__file__).parents[2]
FAST = ("--rps", 1000, "--sim", "duration=0", "--poll-initial", 0.1, "--progress", "none")
PAGE = (ROOT / "docs" / "sweeps.md").read_text()


def test_the_documented_sweep_shows_a_difference_and_what_is_missing(tmp_path: Path) -> None:
    done = batchrun(
        "run", "-c", ROOT / "samples" / "sweep.toml", "--rps", 1000, "-j", 1000, "--sample", 60, "--progress", "none",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    shown = batchrun("compare", "penguins-simulated", "--json", cwd=tmp_path)
    found = json.loads(shown.stdout)
    figures = {name: variant["right"] for name, variant in found["variants"].items()}
    assert list(figures) == ["all", "bill alone", "strict"]
    assert figures["bill alone"]["mean"] < figures["all"]["mean"]
    assert (figures["all"]["missing"], figures["strict"]["missing"] > 0) == (0, True)
    table = batchrun("compare", "penguins-simulated", "--show", 3, cwd=tmp_path)
    assert "the variants differ in missing scores" in table.stdout
    assert max(map(len, table.stdout.splitlines())) <= 80
    rule = batchrun("compare", "penguins-simulated", "--require", "missing right<=0%", cwd=tmp_path)
    assert rule.returncode == 5
    verdict, rows = rule.stderr.splitlines()
    assert verdict.startswith("not met: missing right<=0%")
    assert rows.startswith("  strict: PAL")


@pytest.mark.parametrize("rule", re.findall(r"^\| `([^`]+)` \| (?:the mean|so is|no |none)", PAGE, re.M))
def test_the_rules_of_the_page_can_be_required(rule: str) -> None:
    assert parse_requirement(rule).text == rule


@pytest.mark.parametrize("option", re.findall(r"--score '?([a-z]+=[^ `'N]+(?:'[^'\n]*')?)", PAGE))
def test_the_scorers_of_the_page_can_be_used(option: str) -> None:
    assert parse_score(option).text == option


def test_the_judge_of_the_page_can_be_rehearsed(tmp_path: Path) -> None:
    run = ("run", ROOT / "samples" / "penguins.csv", "--workflow-id", "penguin", "--simulate", "--sample", 10, *FAST)
    assert batchrun(*run, cwd=tmp_path).returncode == 0
    lines = re.findall(r"^\$ batchrun (.* --workflow-id echo .*|score penguins-simulated .*)$", PAGE, re.M)
    judge, score = (shlex.split(line) for line in lines)
    assert batchrun(*judge, *FAST, cwd=tmp_path).returncode == 0
    done = batchrun(*score, "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["variants"]["penguins-simulated"]["judged"]["n"] == 10


def test_the_options_of_the_page_exist() -> None:
    options = {option for parameter in compare_command.params for option in parameter.opts}
    assert {"--require", "--by", "--show", "--baseline", "--cluster"} <= options


def test_the_workflow_of_github_keeps_the_token_out_of_its_commands() -> None:
    lines = (ROOT / "samples" / "github-actions.yml").read_text().splitlines()
    assert [line.strip() for line in lines if "secrets." in line] == ["COZE_API_TOKEN: ${{ secrets.COZE_API_TOKEN }}"]
