"""Makes text from services and inputs safe to print: it never moves the cursor, changes colours or turns around."""

_CONTROLS = (*range(0x20), 0x7F, *range(0x80, 0xA0))
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_LINE_ENDS = (0x2028, 0x2029)

_ESCAPES = {code: f"\\x{code:02x}" for code in _CONTROLS if code not in (0x09, 0x0A)}
_ESCAPES |= {code: f"\\u{code:04x}" for code in (*_DIRECTIONS, *_LINE_ENDS, *range(0xD800, 0xE000))}
_ON_ONE_LINE = _ESCAPES | {0x09: "\\t", 0x0A: "\\n"}


def printable(text: str) -> str:
    """`text` with characters that control a terminal replaced by their escapes; tab and newline stay."""
    return text if text.isprintable() else text.translate(_ESCAPES)


def on_one_line(text: str) -> str:
    """The same, with tab and newline escaped too."""
    return text if text.isprintable() else text.translate(_ON_ONE_LINE)
