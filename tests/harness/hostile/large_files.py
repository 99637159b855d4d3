"""Text files with very long lines, very many columns or very deep values, and compressed ones that unpack to those."""

import gzip
from collections.abc import Mapping
from functools import partial

from tests.harness.hostile.case import WIDE, Case, lines, read
from tests.harness.hostile.trial import MEMORY

LONG = 63 << 20
"""Characters of a line that is just short enough."""


def deep(count: int) -> bytes:
    return b'{"a":1}\n{"a":' + b"[" * count + b"]" * count + b"}\n"


CSV_LARGE: Mapping[str, Case] = {
    "a quote that is never closed in 80 MB": Case(
        "rows.csv",
        lambda: b'id,text\n1,a\n2,"a\n' + b"3,bbbbbbbbbbbbbbbbbbbbbbbbbbbb\n" * (80 << 15),
        None,
        ("line 3", "64 MB"),
        memory=3 * MEMORY,
    ),
    "10,000 columns of one name": Case(
        "rows.csv", lambda: b"a" + b",a" * (WIDE - 1) + b"\n", None, ("columns 1 and 2", "9,990 more")
    ),
    "a name of 1 MB": Case("rows.csv", lambda: b"id," + b"x" * (1 << 20) + b"\n1,a\n", 1),
    "10,000 columns": Case(
        "rows.csv",
        lambda: b",".join(b"c%d" % n for n in range(WIDE)) + b"\n" + b",".join([b"x"] * WIDE) + b"\n",
        1,
        seconds=20,
    ),
    "a cell of 63 MB": Case(
        "rows.csv", lambda: b"id,text\n1,a\n2," + b"x" * LONG + b"\n3,b\n", 3, unsent=1, memory=5 * MEMORY
    ),
    "a cell of 65 MB": Case(
        "rows.csv",
        lambda: b"id,text\n1,a\n2," + b"x" * (65 << 20) + b"\n3,b\n",
        None,
        ("line 3", "64 MB"),
        memory=4 * MEMORY,
    ),
    "30 MB of quotes": Case(
        "rows.csv", lambda: b'id,text\n1,"' + b'""' * (15 << 20) + b'"\n', 1, unsent=1, memory=4 * MEMORY
    ),
    "a million blank lines": Case("rows.csv", lambda: b"id,text\n1,a\n" + b"\n" * 1_000_000 + b"2,b\n", 2),
    "deep JSON in a cell": Case(
        "rows.csv",
        lambda: b'id,n\n1,"' + b"[" * 100_000 + b"]" * 100_000 + b'"\n2,[1]\n',
        2,
        options=("--type", "n=json"),
        unsent=1,
    ),
}
"""By what is wrong."""

JSONL_LARGE: Mapping[str, Case] = {
    "100 levels": Case("rows.jsonl", partial(deep, 100), 2),
    "900 levels": Case("rows.jsonl", partial(deep, 900), 2),
    "100,000 levels": Case("rows.jsonl", partial(deep, 100_000), None, ("line 2", "deep")),
    "30 million levels": Case("rows.jsonl", partial(deep, 30_000_000), None, ("line 2",), memory=4 * MEMORY),
    "10,000 keys": Case(
        "rows.jsonl", lambda: lines({f"k{n}": n for n in range(WIDE)}, {"k1": 1}).encode(), 2, seconds=20
    ),
    "10,000 keys, the last one twice": Case(
        "rows.jsonl",
        lambda: b"{" + b"".join(b'"k%d":1,' % n for n in range(WIDE)) + b'"k9999":2}\n',
        None,
        ("line 1", "'k9999'", "twice"),
        seconds=20,
    ),
    "a list of 10 million numbers": Case(
        "rows.jsonl", lambda: b'{"a":[' + b"1," * 10_000_000 + b"1]}\n", 1, unsent=1, memory=4 * MEMORY
    ),
    "a text of 63 MB": Case(
        "rows.jsonl", lambda: b'{"a":"' + b"x" * LONG + b'"}\n{"a":"y"}\n', 2, unsent=1, memory=5 * MEMORY
    ),
    "a line of 65 MB": Case(
        "rows.jsonl",
        lambda: b'{"a":1}\n{"a":"' + b"x" * (65 << 20) + b'"}\n',
        None,
        ("line 2", "64 MB"),
        memory=4 * MEMORY,
    ),
}


def bomb(beginning: bytes, piece: bytes, times: int) -> bytes:
    return gzip.compress(beginning + piece * times, mtime=0)


COMPRESSED: Mapping[str, Case] = {
    "gzip of 300 MB in one line": Case(
        "rows.csv.gz",
        partial(bomb, b"id,text\n1,", b"x" * (1 << 20), 300),
        None,
        ("line 2", "64 MB"),
        memory=4 * MEMORY,
    ),
    "gzip of 200 MB of short rows": Case(
        "rows.csv.gz", partial(bomb, b"id,text\n", b"1," + b"x" * 1000 + b"\n", 200_000), 200_000
    ),
    "gzip within gzip": Case("rows.csv.gz", lambda: gzip.compress(gzip.compress(b"id,text\n1,a\n")), None, ("gzip",)),
    "gzip of nothing": Case("rows.csv.gz", lambda: gzip.compress(b""), None, ("no columns",)),
    "1,000 members of gzip": Case(
        "rows.csv.gz",
        lambda: gzip.compress(b"id,text\n") + b"".join(gzip.compress(b"1,a\n") for _ in range(1000)),
        1000,
    ),
    "gzip with something after its end": Case(
        "rows.csv.gz", lambda: gzip.compress(b"id,text\n1,a\n") + b"xyz", None, ("compressed data",)
    ),
    "half of gzip": Case(
        "rows.csv.gz", lambda: gzip.compress(b"id,text\n" + b"1,a\n" * 1000)[:-9], None, ("compressed data",)
    ),
    "the name of gzip, without it": read("id,text\n1,a\n", 1, name="rows.csv.gz"),
    "deep JSON in gzip": Case("rows.jsonl.gz", lambda: gzip.compress(deep(1_000_000)), None, ("line 2",)),
}
