"""CSV files with everything that can be wrong with one."""

from collections.abc import Mapping

from tests.harness.hostile.case import Case, read, refused

_HEAD = "id,text\n"

CSV: Mapping[str, Case] = {
    "a mark of UTF-8": read(b"\xef\xbb\xbfid,text\n1,a\n", 1),
    "two marks of UTF-8": read(b"\xef\xbb\xbf\xef\xbb\xbfid,text\n1,a\n", 1),
    "UTF-16 with a mark": refused("id,text\n1,a\n".encode("utf-16"), "line 1", "--encoding utf-16"),
    "UTF-16 with a mark, named": read("id,text\n1,é\n".encode("utf-16"), 1, "--encoding", "utf-16"),
    "UTF-16 without a mark": refused("id,text\n1,a\n".encode("utf-16-le"), "line 1", "NUL"),
    "UTF-32": refused("id,text\n1,a\n".encode("utf-32"), "line 1"),
    "half a character of UTF-16": refused(
        "id,text\n1,a\n".encode("utf-16")[:-1], "utf-16", options=("--encoding", "utf-16")
    ),
    "Latin-1": refused("id,text\n1,Straße\n".encode("latin-1"), "line 2", "0xdf", "offset 14"),
    "GB18030": refused("id,text\n1,名字\n".encode("gb18030"), "line 2", "gb18030"),
    "Shift JIS read as GBK": read("id,text\n1,ab\n".encode("shift-jis"), 1, "--encoding", "gbk"),
    "UTF-8 read as ASCII": refused("id,text\n1,é\n", "line 2", "ascii", options=("--encoding", "ascii")),
    "half a character at the end": refused(b"id,text\n1,\xe5\x90", "line 2", "0xe5", "offset 10"),
    "characters in too many bytes": refused(b"id,text\n1,\xc0\xaf\n", "line 2", "0xc0", "offset 10"),
    "half a surrogate pair": refused(b"id,text\n1,\xed\xa0\x80\n", "line 2", "0xed", "offset 10"),
    "a byte of damage after 200,000 rows": refused(
        b"id,text\n" + b"".join(b"%d,a\n" % n for n in range(200_000)) + b"1,\xff\n", "line 200002", "0xff"
    ),
    "NUL in a cell": read("id,text\n1,a\0b\n", 1),
    "NUL in the header": refused("id,te\0xt\n1,a\n", "line 1", "NUL"),
    "only NUL": refused(bytes(1000), "rows.csv"),
    "a lone quote": refused('id,text\n1,a"b\n2,"c\n3,d\n', "line 3", "never closed"),
    "a lone quote in a cell without quotes": read('id,text\n1,a"b\n', 1),
    "text after a closing quote": refused('id,text\n1,"a"b\n', "line 2", "quot"),
    "a quote that is never closed in 300,000 rows": refused(
        'id,text\n1,"a\n' + "2,b\n" * 300_000, "line 2", "never closed"
    ),
    "rows with fewer cells": refused("id,text\n1,a\n2\n", "line 3", "1 cell", "2"),
    "rows with more cells": refused("id,text\n1,a\n2,b,c\n", "line 3", "3 cells", "2"),
    "ragged rows, all of 50,000": refused("id,text\n" + "1,2,3\n" * 50_000, "line 2", "line 11", "49,990 more"),
    "ragged rows after quoted line ends": refused('id,text\n1,"a\nb"\n2\n', "line 4"),
    "an empty name": refused("id,\n1,a\n", "column 2"),
    "only empty names": refused(",,\n1,2,3\n", "column 1"),
    "a name twice": refused("id,text,id\n1,a,2\n", "columns 1 and 3", "'id'"),
    "a blank name": read("id, \n1,a\n", 1),
    "line ends of every kind": read("id,text\r\n1,a\r2,b\n3,c\r\n\r\n\n4,d", 4),
    "line ends in cells": read('id,text\n1,"a\r\nb\rc\nd"\n', 1),
    "line ends of Unicode": read("id,text\n1,a\u2028b\u2029c\u0085d\x0be\x0cf\x1cg\n", 1),
    "no line end": read("id,text\n1,a", 1),
    "only line ends": refused("\n" * 100_000, "no columns"),
    "nothing": refused("", "no columns"),
    "only a mark": refused(b"\xef\xbb\xbf", "no columns"),
    "only a header": read(_HEAD, 0),
    "another delimiter": read("id;text\n1;a\n", 1),
    "cells that look like formulas and options": read("id,text\n1,\"=cmd|' /C calc'!A0\"\n2,--help\n3,../../etc\n", 3),
    "control characters and escapes of terminals": read("id,text\n1,\x1b[2J\x1b]0;x\x07\x08\n", 1),
    "names that are escapes of terminals": refused("id,\x1b[31m\x07,\x1b[31m\x07\n1,a,b\n", "columns 2 and 3"),
    "direction marks, emoji, private characters": read("id,te\u202ext\n1,\u202e\U0001f468\u200d\ue000\uffff\n", 1),
    "numbers of any length": read(f"id,n\n1,{'9' * 5000}\n2,1e999999999\n3,NaN\n", 3),
    "numbers that are none": read(
        f"id,n\n1,{'9' * 5000}\n2,1e999999999\n3,NaN\n4,0x1f\n5,٣\n", 5, "--type", "n=float", unsent=4
    ),
    "whole numbers of any length": read(f"id,n\n1,{'9' * 5000}\n2,-0\n3, 7 \n", 3, "--type", "n=int", unsent=1),
    "HTML": refused("<!DOCTYPE html><html><body>Please sign in</body></html>\n", "HTML"),
    "noise": refused(bytes(range(256)) * 50, "rows.csv"),
}
"""By what is wrong."""
