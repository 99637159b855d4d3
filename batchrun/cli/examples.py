"""Examples at the end of a help text."""

import re

WIDTH = 74
"""The longest line of an example; click indents it by two."""


def examples(*described: tuple[str, str]) -> str:
    """The epilog of a command: what each example does, and its command line, which can be copied."""
    lines = ["Examples:"]
    for meaning, command in described:
        lines += [f"  # {meaning}", *(f"  {line}" for line in _folded(command))]
    return "\b\n" + "\n".join(lines)  # \b: click leaves the lines as they are


def _folded(command: str) -> list[str]:
    """The command line on several lines, each but the last with a backslash, broken before options."""
    lines = [""]
    for part in re.split(r" (?=-)", command):
        if lines[-1] and len(lines[-1]) + len(part) + 3 > WIDTH:
            lines[-1] += " \\"
            lines.append(f"    {part}")
        else:
            lines[-1] += f" {part}" if lines[-1] else part
    return lines
