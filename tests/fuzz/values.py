"""What mutations are made of: bytes, fields, numbers and objects that have broken readers before."""

from __future__ import annotations

import datetime
import decimal
import math
from random import Random
from typing import Any

import numpy as np

__all__ = ["FIELDS", "NUMBERS", "OBJECTS", "TOKENS", "mutate"]

FIELDS = [
    "1", "2", "3", "4.5", "5", "-1", "0", "007", "7.0", "1e3", "9" * 19, "9" * 40, "-0", "+5", "1_0", "nan", "inf", "-inf",
    "NaN", "", " ", "  7 ", "ann", "bob", "é", "日本", "a b", 'x"y', '"', '""', '"a,b"', '"a\nb"', '"a""b"', '"open', "'", "\\",
    '\\"', "3,5", "79%", "4/5", "true", "false", "99", "NULL", "NA", "None", "1970-01-01", "2020-02-30", "881250949",
    "1e400", "1e-400", "0x1f", "\ufeff1", "\x1f", "\u2028", "a" * 300, "::", "#", "%", "{}", "[1,2]", "−1", "١٢",
]  # fmt: skip
TOKENS = [
    b"\n", b"\r", b"\r\n", b"\n\n", b",", b";", b"\t", b"\t\t", b"::", b"|", b" ", b'"', b'""', b'","', b"\\", b'\\"', b"'",
    b"\x00", b"\x1a", b"\x1f", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", b"\x85", b"nan", b"1e999", b"99",
    b"user,item,rating\n", b"user_id:token\titem_id:token\n", b"sep=;\n", b"%%MatrixMarket matrix coordinate real general\n",
    b"1:\n", b"{", b"}", b'{"user": 1, "item": 2, "rating": 3}\n', b"[", b"]", b"null", b"-", b"0", b"9" * 30, b"#", b"%",
    b"PAR1", b"ARROW1", b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\x28\xb5\x2f\xfd", b"<b>", b"&amp;", b"&#0;", b",,,,",
]  # fmt: skip
NUMBERS = [
    0, 1, -1, 2, 127, 128, 255, 2**15, 2**31 - 1, 2**31, -(2**31), 2**32, 2**40, 2**63 - 1, -(2**63), 2**64, 10**400, 0.5, -0.5,
    1e-320, 1e-45, 1e30, 3e38, -3e38, 1e39, 1e300, -1e300, 0.0, -0.0,
]  # fmt: skip
OBJECTS: list[Any] = [
    *NUMBERS, math.nan, math.inf, -math.inf, None, True, False, "", "ann", "007", "7", "7.0", " x ", b"bytes", (1, 2), [3], {},
    {"a": 1}, {1}, object(), range(3), decimal.Decimal("4.5"), decimal.Decimal("NaN"), decimal.Decimal("sNaN"), 1j,
    datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), np.str_("007"), np.str_("ann"), np.float32(4.1), np.int8(3),
    np.uint64(2**64 - 1), np.float64("nan"), np.bool_(True), np.datetime64("2020-01-01"), np.datetime64("NaT"),
    np.timedelta64(5, "s"), np.array(5), np.array([1, 2]), np.bytes_(b"x"), "\ud800", "a\nb", "\x00", type, len,
]  # fmt: skip


def mutate(data: bytes, random: Random) -> bytes:
    """Return a text or a file with a few of its bytes changed, cut, doubled or joined by others."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        place = random.randint(0, len(changed))
        stop = min(len(changed), place + random.choice((1, 1, 2, 5, 20, 200)))
        kind = random.randrange(7)
        if kind == 0:
            changed[place:place] = random.choice(TOKENS)
        elif kind == 1:
            changed[place:stop] = random.choice(TOKENS)
        elif kind == 2:
            del changed[place:stop]
        elif kind == 3 and place < len(changed):
            changed[place] ^= 1 << random.randrange(8)
        elif kind == 4:
            changed[place:place] = changed[place:stop] * random.choice((1, 2, 30))
        elif kind == 5:
            del changed[place:]
        else:
            changed[place:stop] = random.randbytes(stop - place)
    return bytes(changed)
