"""Every page: its links lead somewhere, its options exist, and its commands can be given as they stand."""

import re
import shlex
from pathlib import Path

import click
import pytest

from batchrun.cli.main import COMMANDS, cli
from tests.docs import options_page

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "README.zh.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "samples" / "README.md",
]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
OTHER_TOOLS = ("pip ", "ruff", "pytest ", "python -m", "curl ", "journalctl")


def _anchors(page: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _commands(page: Path) -> list[list[str]]:
    """The words of each batchrun command in the blocks of the page, without those after a pipe."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    lines = re.findall(r"^(?:\$ |[\d* ]+cd \S+ && )(batchrun .*)$", text, re.M)
    return [words[: words.index("|")] if "|" in words else words for words in map(_words, lines)]


def _words(line: str) -> list[str]:
    words = shlex.split(re.sub(r"\$\(.*?\)", "TODAY", line), comments=True)
    return words[: next((place for place, word in enumerate(words) if word.endswith(";")), len(words))]


def test_the_reference_of_options_is_what_help_prints() -> None:
    assert options_page.PAGE.read_text("utf-8") == options_page.page(), "python -m tests.docs.options_page"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), target
        if anchor:
            assert anchor in _anchors(found), target


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_option_exists(page: Path) -> None:
    known = {option for name in COMMANDS for parameter in _command(name).params for option in parameter.opts}
    known |= {"--help", "--version"}
    for line in page.read_text("utf-8").splitlines():
        if not any(tool in line for tool in OTHER_TOOLS):
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line):
                assert option in known, line


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_can_be_given_as_it_stands(page: Path) -> None:
    for _, name, *arguments in _commands(page):
        if not name.startswith("-"):
            _command(name).make_context(name, arguments, parent=click.Context(cli, info_name="batchrun"))


def test_every_page_is_listed_in_the_readme() -> None:
    readme = PAGES[0].read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f"(docs/{page.name}" in readme, page.name


def _command(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, name
    return command
