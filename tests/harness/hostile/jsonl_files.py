"""JSONL files with everything that can be wrong with one."""

from collections.abc import Mapping

from tests.harness.hostile.case import Case, contents, lines

_FILES: Mapping[str, tuple[bytes | str, int | None, tuple[str, ...]]] = {
    "marks of UTF-8": ("\ufeff\ufeff" + lines({"a": 1}), 1, ()),
    "no object": ('{"a":1}\n[1]\n2\n"x"\nnull\n', None, ("line 2", "line 5")),
    "an array over all lines": ('[\n{"a":1},\n{"a":2}\n]\n', None, ("line 1", "jq")),
    "an object over several lines": ('{\n"a":1\n}\n', None, ("line 1", "jq")),
    "two objects in a line": ('{"a":1}{"a":2}\n', None, ("line 1",)),
    "a comma at the end": ('{"a":1},\n{"a":2}\n', None, ("line 1", "comma")),
    "half an object": ('{"a":1}\n{"a":"x', None, ("line 2",)),
    "a key twice": ('{"a":1,"b":2,"a":3}\n', None, ("line 1", "'a'", "twice")),
    "an empty key": ('{"":1}\n', None, ("empty key",)),
    "other keys in each row": (lines(*({f"k{n}": n} for n in range(300))), 300, ()),
    "other types in each row": (
        lines({"a": 1}, {"a": "x"}, {"a": [1]}, {"a": {}}, {"a": None}, {"a": 1.5}, {}),
        7,
        (),
    ),
    "numbers of any size": ('{"a":1e400}\n{"a":-0}\n{"a":' + "9" * 5000 + '}\n{"a":1e-400}\n', 4, ()),
    "NaN": ('{"a":NaN}\n', None, ("line 1",)),
    "Infinity": ('{"a":1}\n{"a":-Infinity}\n', None, ("line 2",)),
    "half a surrogate pair": ('{"a":"\\ud800"}\n', None, ("line 1", "surrogate")),
    "half a surrogate pair in a key": ('{"\\ud800":1}\n', None, ("line 1", "surrogate")),
    "NUL as an escape": ('{"a":"\\u0000","\\u0000":1}\n', 1, ()),
    "raw control characters": ('{"a":"x\ty"}\n', None, ("line 1",)),
    "invalid UTF-8": (b'{"a":"x"}\n{"a":"\xff"}\n', None, ("line 2", "0xff", "offset 16")),
    "blank lines and spaces": ('\n\n  {"a":1}  \r\n\t\n{"a":2}', 2, ()),
    "nothing": ("", 0, ()),
    "only line ends": ("\n" * 1000, 0, ()),
    "empty objects": ("{}\n{}\n", 2, ()),
    "text in single quotes": ("{'a':1}\n", None, ("line 1",)),
    "comments": ('{"a":1} // x\n', None, ("line 1",)),
    "50,000 bad lines": ("x\n" * 50_000, None, ("line 1", "line 10", "49,990 more")),
}

JSONL: Mapping[str, Case] = {
    name: Case("rows.jsonl", contents(content), rows, says) for name, (content, rows, says) in _FILES.items()
}
"""By what is wrong."""
