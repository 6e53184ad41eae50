"""What an integer id is, written as text."""

from __future__ import annotations

import re

__all__ = ["integer_of"]

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")


def integer_of(text: str) -> int | None:
    """Return the integer of 64 bits that a text spells in the one usual way, None if it spells none.

    Examples
    --------
    >>> integer_of("12"), integer_of("-5"), integer_of("0")
    (12, -5, 0)
    >>> [integer_of(text) for text in ("--5", " 12", "012", "-0", "1_0", "١٢", "9" * 19)]
    [None, None, None, None, None, None, None]
    """
    if _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None
