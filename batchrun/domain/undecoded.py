"""Names of files that are not text: Python represents each byte that it cannot decode by half a surrogate pair."""


def is_text(name: str) -> bool:
    """Whether the name was decoded, so that it can be written as UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown_name(name: str) -> str:
    """The name for a message, with an escape for each byte that is not UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
