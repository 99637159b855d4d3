"""Whether the value that an answer echoes may be the input that was sent.

A service may show an input in another way than it was sent: text as a number, number as text, a number rounded to a
float, a date in another notation, an object as text in JSON or Python, text in another Unicode form, with other white
space or line ends, escaped, or cut short. None of this makes two inputs different, as long as hardly another input
could look the same. What could is different: integers that differ in the last digit, or a longer number.
"""

import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Context, Decimal
from struct import Struct
from urllib.parse import unquote

import msgspec

from batchrun.domain.echoes import json_value, normal

MIN_CUT = 8
"""Text that was cut short without a mark such as `…` is recognised if at least this many characters are left."""

MIN_CUT_FORM = 6
"""The same without differences that do not matter, such as repeated blanks."""

MIN_TELLING = 16
"""Text of this length is hardly that of another row by chance. It is therefore compared less strictly."""

MAX_COMPARED = 20_000
"""Longer text is compared in fewer forms, as the event loop waits meanwhile."""

MAX_MARK = 80
"""The longest mark of a cut, in characters."""

MIN_DIGITS, MAX_DIGITS = 6, 17
"""The digits to which a service may round a number. With more than 17, it is the number itself."""

_BOOLEANS = {"true": {"true", "1", "t", "yes"}, "false": {"false", "0", "f", "no"}}
_CUT_MARK = re.compile(
    r"\s*(?:…|\.{3}|(?:…|\.{3})?\s*[\[(<]?(?:\.{3}|…)?\s*(?:truncated.{0,40}|\+?[0-9]+ (?:more|char|byte).{0,20}))$",
    re.IGNORECASE | re.DOTALL,
)
_LEFT_OUT = re.compile(r"…|\.{3}")
_WITH_COMMAS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_INVISIBLE = re.compile("[\0-\b\x0e-\x1f\x7f\u200b\ufeff]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FLOAT = Struct("f")


def agrees(sent: object, echoed: object, *, in_full: bool = False) -> bool:
    """Whether `echoed` may be the echo of `sent`.

    `in_full`: whether it has all of it. It was neither cut nor rounded, so it is this input and no other.
    """
    try:
        return _agrees(sent, echoed, in_full)
    except RecursionError:
        return False


def _agrees(sent: object, echoed: object, in_full: bool) -> bool:
    if isinstance(sent, msgspec.Raw):  # a cell that is JSON
        sent = json_value(bytes(sent))
    if sent is None or echoed is None:
        return True
    a, b = normal(sent), normal(echoed)
    if isinstance(b, str) and _WITH_COMMAS.fullmatch(b):
        b = normal(b.replace(",", "")) if isinstance(a, int | Decimal) else b
    if a == b:
        return True
    if isinstance(a, int | Decimal) and isinstance(b, int | Decimal):
        return not in_full and _is_rounded(a, b)
    if any(str(a).lower() in words and str(b).lower() in words for words in _BOOLEANS.values()):
        return isinstance(sent, bool) or isinstance(echoed, bool)
    if _structures_agree(sent, echoed, in_full):
        return True
    return isinstance(echoed, str) and _text_agrees(sent, echoed, in_full)


def shown(value: object, length: int) -> str:
    """The value for a message, cut to this length."""
    text = repr(json_value(bytes(value)) if isinstance(value, msgspec.Raw) else value)
    return text if len(text) <= length else f"{text[:length]}…"


# -- numbers


def _is_rounded(sent: int | Decimal, echoed: int | Decimal) -> bool:
    """Whether `echoed` is `sent` as a double or, unless it is an integer, with less precision.

    Integers that differ only in the last digits are different otherwise.
    """
    try:
        double = float(sent)
        if echoed in {Decimal(repr(double)), Decimal(double)}:
            return True
        if isinstance(sent, int) or sent == sent.to_integral_value():
            return False
        if any(Context(prec=digits).plus(sent) == echoed for digits in range(MIN_DIGITS, MAX_DIGITS + 1)):
            return True
        return echoed != 0 and _FLOAT.pack(double) == _FLOAT.pack(float(echoed))
    except (OverflowError, ArithmeticError):
        return False


# -- lists and objects


def _structures_agree(sent: object, echoed: object, in_full: bool) -> bool:
    a, b = _structure(sent), _structure(echoed)
    if isinstance(a, dict) and isinstance(b, dict):
        if in_full and any(value is not None and name not in b for name, value in a.items()):
            return False
        pairs = [(value, b[name]) for name, value in a.items() if name in b]
    elif isinstance(a, list) and isinstance(b, list):
        if len(b) > len(a) or (in_full and len(b) < len(a)):
            return False
        pairs = list(zip(a, b, strict=False))
    else:
        return False
    for one, other in pairs:  # noqa: SIM110 - `all` would take two frames more for each level of nesting
        if not _agrees(one, other, in_full):
            return False
    return True


def _structure(value: object) -> object:
    """An object or a list, also from its JSON text or a tuple."""
    if isinstance(value, str):
        return json_value(value.encode("utf-8", "surrogatepass")) if value.lstrip()[:1] in {"{", "["} else None
    return list(value) if isinstance(value, tuple) else value


def _structure_texts(value: object) -> Iterator[str]:
    """The texts that a service may make of an object or a list, without white space."""
    if isinstance(structure := _structure(value), dict | list):
        for text in (
            json.dumps(structure, ensure_ascii=False, default=str),
            json.dumps(structure, default=str),
            json.dumps(structure, ensure_ascii=False, default=str, sort_keys=True),
            str(structure),
        ):
            yield "".join(text.split())
    if isinstance(structure, list) and not any(isinstance(one, dict | list) for one in structure):
        yield "".join(",".join(map(str, structure)).split())


# -- text


def _text_agrees(sent: object, echoed: str, in_full: bool) -> bool:
    is_cut = _is_never_cut if in_full else _is_cut
    if len(echoed) > MAX_COMPARED:
        return isinstance(sent, str) and (_canonical(sent) == _canonical(echoed) or is_cut(sent, echoed))
    squeezed = "".join(echoed.split())
    if any(squeezed == text or is_cut(text, squeezed) for text in _structure_texts(sent)):
        return True
    if not isinstance(sent, str):
        return False
    pairs = [*((sent, text) for text in _unescaped(echoed)), *((text, echoed) for text in _unescaped(sent))]
    if any(form(a) == form(b) for a, b in pairs for form in _forms(len(b))):
        return True
    return any(is_cut(text, echoed) for text in _escaped(sent)) or _is_same_moment(sent.strip(), echoed.strip())


def _unescaped(echoed: str) -> Iterator[str]:
    """The text as it is, and without the escapes that it may have."""
    yield echoed
    if "&" in echoed:
        yield html.unescape(echoed)
    if "%" in echoed:
        yield unquote(echoed)
    for text in (echoed.strip(), f'"{echoed}"' if "\\" in echoed else ""):
        value = json_value(text.encode("utf-8", "surrogatepass")) if text[:1] == '"' else None
        if isinstance(value, str):
            yield value
    if not echoed.isascii():
        try:
            yield echoed.encode("latin-1").decode()  # UTF-8 that was taken for Latin-1
        except UnicodeError:
            return


def _escaped(sent: str) -> Iterator[str]:
    """The text as it is, and with escapes: an escape may have been cut in the middle."""
    yield sent
    yield html.escape(sent)
    yield html.escape(sent, quote=False)
    for in_ascii in (False, True):
        yield (literal := json.dumps(sent, ensure_ascii=in_ascii))
        yield literal[1:]


def _is_never_cut(_sent: str, _echoed: str) -> bool:
    return False


def _is_cut(sent: str, echoed: str) -> bool:
    """Whether the echo shows only the beginning of the text, or the beginning and the end."""
    tail = echoed[-MAX_MARK:]
    mark = _CUT_MARK.search(tail)
    beginning = echoed[: mark.start() - len(tail)].rstrip() if mark else echoed
    beginning = beginning.rstrip("\ufffd")
    if len(beginning) >= (1 if mark else MIN_CUT):
        least, compared = (1 if mark else MIN_CUT_FORM), sent[: 4 * len(beginning) + 100]
        if any(_begins(form(compared), form(beginning), least) for form in _forms(len(beginning))):
            return True
    parts = [part.strip() for part in _LEFT_OUT.split(echoed)]
    if len(parts) != 2 or len(parts[0]) + len(parts[1]) < MIN_CUT:
        return False
    return sent.lstrip().startswith(parts[0]) and sent.rstrip().endswith(parts[1])


def _begins(text: str, beginning: str, least: int) -> bool:
    """Whether the text begins so, with at least `least` characters.

    A short beginning without a mark must not end within a number: a shorter number is another one.
    """
    if len(beginning) < least or not text.startswith(beginning):
        return False
    following = text[len(beginning) : len(beginning) + 1]
    within_number = beginning[-1].isdecimal() and following.isdecimal()
    return not within_number or len(beginning) >= MIN_TELLING or least == 1


def _forms(length: int) -> Iterator[Callable[[str], str]]:
    """Functions to a form without differences that do not matter. `length`: that of the text that is compared."""
    yield str
    yield str.strip
    yield _canonical
    if length >= MIN_TELLING:
        yield _compatible


def _canonical(text: str) -> str:
    """The text without differences in white space, or in how Unicode composes characters."""
    return " ".join(_INVISIBLE.sub("", unicodedata.normalize("NFD", text)).split())


def _compatible(text: str) -> str:
    """The text without white space, and without differences in the width and the style of characters."""
    return "".join(_INVISIBLE.sub("", unicodedata.normalize("NFKD", text)).split())


def _is_same_moment(sent: str, echoed: str) -> bool:
    """Whether both are dates or times in ISO 8601 that stand for the same moment. Without an offset they are UTC."""
    if not (_DATE.match(sent) and _DATE.match(echoed)):
        return False
    try:
        a, b = datetime.fromisoformat(sent), datetime.fromisoformat(echoed)
    except ValueError:
        return False
    return (a if a.tzinfo else a.replace(tzinfo=UTC)) == (b if b.tzinfo else b.replace(tzinfo=UTC))
