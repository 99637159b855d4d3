"""The Chinese README has the commands, options, links, outputs and code of the English one."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh.md"))


def _blocks(text: str) -> list[str]:
    """The blocks of code without their comments, which are translated."""
    return [re.sub(r"#.*", "#", block) for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.S | re.M)]


def test_blocks_are_the_same() -> None:
    assert _blocks(CHINESE) == _blocks(ENGLISH)


def test_options_and_commands_are_the_same() -> None:
    for pattern in (r"(?<![\w-])--[a-z][a-z-]+", r"`(batchrun [a-z]+)", r"\]\((?!README)([^)]+)\)", r"`([A-Z_]{4,})`"):
        assert set(re.findall(pattern, CHINESE)) == set(re.findall(pattern, ENGLISH)), pattern


def test_there_are_as_many_sections_and_rows_of_tables() -> None:
    for pattern in (r"^## ", r"^\| "):
        assert len(re.findall(pattern, CHINESE, re.M)) == len(re.findall(pattern, ENGLISH, re.M))
