"""F1 of the tokens of two texts, with SQuAD's normalisation, in which each CJK character is a token."""

import re
import string
import unicodedata
from collections import Counter
from functools import lru_cache

_CJK = re.compile(
    "([\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff])"
)
"""Ideographs, kana and hangul."""

_ARTICLE = re.compile(r"\b(a|an|the)\b")
_ASCII_PUNCTUATION = frozenset(string.punctuation)


def token_f1(value: str, target: str) -> float:
    """The harmonic mean of precision and recall of the tokens. Two texts without any are equal."""
    found, wanted = _tokens(value), _tokens(target)
    if not found or not wanted:
        return float(found == wanted)
    common = sum((Counter(found) & Counter(wanted)).values())
    return 2 * common / (len(found) + len(wanted))


@lru_cache(1024)
def _tokens(text: str) -> tuple[str, ...]:
    """The tokens in lower case, without punctuation and articles. Punctuation of other scripts is punctuation too."""
    plain = "".join(char for char in text.lower() if not _is_punctuation(char))
    return tuple(_ARTICLE.sub(" ", _CJK.sub(r" \1 ", plain)).split())


def _is_punctuation(char: str) -> bool:
    return char in _ASCII_PUNCTUATION or (char > "\x7f" and unicodedata.category(char).startswith("P"))
