"""Secrets that are recognised wherever they are, and the search for them in files, texts and processes."""

import base64
import html
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq

PART = 12
"""Characters of a secret of which the search takes a part for the whole: a message may have cut the rest."""


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


FORMS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON with escaped slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON with every character escaped": _escaped,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "URL": lambda text: quote(text, safe=""),
    "URL in lower case": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
    "URL in URL": lambda text: quote(quote(text, safe=""), safe=""),
    "HTML": html.escape,
    "HTML by numbers": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
}  # fmt: skip
"""How a text may be written."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A secret that occurs nowhere else."""

    name: str
    value: str
    parts: bool = True
    """Whether a part of it counts too. Not where the service itself cuts the secret."""

    def spellings(self) -> Mapping[str, bytes]:
        """Every text to search for, by its form."""
        found = {form: write(self.value).encode() for form, write in FORMS.items()}
        found["base64 of the header"] = base64.b64encode(f"Bearer {self.value}".encode())
        if self.parts:
            for start in range(len(self.value) - PART + 1):
                found[f"a part, from character {start}"] = self.value[start : start + PART].encode()
        return found


class Search:
    """Looks for secrets."""

    def __init__(self, *marks: Mark) -> None:
        self._spellings = {
            text: f"{mark.name} ({form})" for mark in marks for form, text in reversed([*mark.spellings().items()])
        }
        self.texts = 0
        """The number of files and texts in which it has looked."""

    def text(self, where: str, content: bytes | str) -> Iterator[str]:
        """The secrets in a text, the first form of each."""
        content = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
        self.texts += 1
        if found := [what for text, what in self._spellings.items() if text in content]:
            yield f"{where}: {found[-1]}"

    def folder(self, folder: Path) -> Iterator[str]:
        """The secrets in all files of a folder, also in those that are compressed."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield from self.text(str(path.name), path.read_bytes())
                yield from self.text(f"{path.name}, decompressed", _decompressed(path))
            yield from self.text("a name", str(path.relative_to(folder)))


def _decompressed(path: Path) -> bytes:
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        about = json.dumps({str(name): str(value) for name, value in (table.schema.metadata or {}).items()})
        return (about + json.dumps(table.to_pylist(), default=str, ensure_ascii=False)).encode("utf-8", "replace")
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(BytesIO(path.read_bytes())) as archive:
            return b"".join(map(archive.read, archive.namelist()))
    return b""
