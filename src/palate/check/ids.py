"""What may be wrong with ids."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from palate.check.findings import EXAMPLES, Finding, many
from palate.check.values import STEPS
from palate.lazy import pl
from palate.ratings import Vocabulary

__all__ = ["rated_once", "strange_ids"]

# What programs write for a missing value.
_NOTHING = ("null", "nan", "none", "na", "n/a", "#n/a", "<na>", "nat", "undefined", "\\n")
# Whole numbers that were too long for the program that wrote them.
_ROUNDED = r"^[1-9](\.\d+)?[eE]\+?\d\d?$"
# Joiners, marks of direction, byte order marks, soft hyphens.
_UNSEEN = r"[\u{ad}\u{200b}-\u{200f}\u{202a}-\u{202e}\u{2060}\u{feff}]"


def strange_ids(side: Vocabulary) -> Iterator[Finding]:
    """Find ids that look like ratings, or that differ only in their spelling."""
    if len(side) == 1:
        message = (
            f"there is only one {side.kind}, {side[0]!r}: what {side.kind}s have in common cannot be learnt from it"
        )
        yield Finding("error", f"one-{side.kind}", message, 1)
    if not side.is_text:
        return
    ids = pl.Series(side.ids.tolist(), dtype=pl.String)
    numbers = ids.cast(pl.Float64, strict=False)
    if len(ids) <= 2 * STEPS and not numbers.null_count() and bool((numbers != numbers.round()).any()):
        message = f"the {side.kind} ids look like ratings ({len(ids)} such as {side[0]!r}): are columns swapped?"
        yield Finding("warning", "ratings-as-ids", message, len(ids))
        return
    nothing = ids.filter(ids.str.to_lowercase().is_in(_NOTHING))
    if len(nothing):
        message = (
            f"the {side.kind} id {nothing[0]!r} looks like a missing one: if it is, take its rows out, or leave the id "
            "blank, and use on_error='skip' (--on-error skip)"
        )
        yield Finding("warning", f"missing-{side.kind}s", message, len(nothing))
    rounded = ids.filter(ids.str.contains(_ROUNDED))
    if len(rounded):
        message = (
            f"{many(len(rounded), f'{side.kind} id')}, such as {rounded[0]!r}, "
            f"{'is' if len(rounded) == 1 else 'are'} a rounded number, as spreadsheets and floats make of long ids: "
            "different ids may have become one; take them from a table that holds them whole, as text or integers"
        )
        yield Finding("warning", f"rounded-{side.kind}s", message, len(rounded))
    plain = (
        ids.str.normalize("NFKC")
        .str.replace_all(_UNSEEN, "")
        .str.strip_chars()
        .str.to_lowercase()
        .str.replace(r"^([+-]?\d+)\.0+$", "$1")
        .str.replace(r"^([+-]?)0+(\d+)$", "$1$2")
        .str.strip_prefix("+")
    )
    alike = ids.filter(plain.is_duplicated())
    if len(alike):
        first = plain.filter(plain.is_duplicated())[0]
        some = ids.filter(plain == first).to_list()[:EXAMPLES]
        message = (
            f"{len(alike):,} {side.kind} ids differ from others only by blanks, case, accents written in two ways, "
            "marks that are not seen, or the spelling of a number, such as " + " and ".join(map(repr, some))
        )
        yield Finding("warning", f"similar-{side.kind}s", message, len(alike))


def rated_once(kind: str, counts: NDArray[np.int64]) -> Iterator[Finding]:
    """Find users or items with a single rating."""
    once = int((counts == 1).sum())
    if kind == "user" and once == len(counts) > 1:
        message = (
            "every user has exactly one rating: is the user column right? Name the columns with user=, item=, rating= "
            "(--columns)"
        )
        yield Finding("warning", "users-once", message, once)
    elif once:
        verb = "has" if once == 1 else "have"
        yield Finding("note", f"{kind}s-once", f"{many(once, kind)} {verb} one rating only", once)
