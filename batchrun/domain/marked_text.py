"""Text whose encoding is named by a byte order mark at its beginning, as PowerShell and Notepad write it."""

import codecs

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode_marked(content: bytes) -> str:
    """The text without byte order marks, decoded as the first one says, else as UTF-8. Raises UnicodeDecodeError."""
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding).lstrip("\ufeff")
