"""Makes text from services and inputs safe to print: it never moves the cursor and never changes colours."""

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if code not in (0x09, 0x0A)}


def printable(text: str) -> str:
    """`text` with control characters, except tab and newline, replaced by their escapes."""
    return text.translate(_CONTROL)
