"""A look at ratings before anyone fits: what they are, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.lazy import pl
from palate.ratings import Ratings, RatingScale, Vocabulary
from palate.reading.columns import Guess
from palate.reading.encode import Examined, as_scale, examine
from palate.reading.faults import Fault, shown
from palate.reading.table import Table

__all__ = ["Bar", "Check", "Example", "Finding", "check_ratings", "check_table", "suspicions"]

_EXAMPLES = 3
# So many distinct values at most make a scale of steps rather than a continuous one.
_STEPS = 100
_SAMPLE = 50_000
_BARS = 10
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
# What stands for "not rated" in other people's tables.
_SENTINELS = (-1, 0, 9, 88, 98, 99, 255, 999, 9999, 65535, -9, -99, -999, -9999)
_SECONDS = (3e8, 4e9)  # 1979 to 2096 in seconds since 1970


@dataclass(frozen=True)
class Example:
    """One place where something was found, and the value there."""

    where: str
    value: str


@dataclass(frozen=True)
class Finding:
    """Something worth knowing about a table.

    Parameters
    ----------
    level
        "error": `palate fit` refuses the table unless told otherwise; "warning": look at it; "note": good to know.
    code
        A word for programs.
    message
        A sentence for people.
    count
        How many rows, pairs, ids or ratings it concerns.
    examples
        The first few of them.
    """

    level: str
    code: str
    message: str
    count: int
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Bar:
    """How many ratings lie from low up to high, which is excluded but in the last bar; both are equal for one value."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Check:
    """What `check_table` found. All statistics are of the rows that can be used.

    Parameters
    ----------
    source
        What was read.
    rows, usable
        How many rows there are, and how many can be used.
    users, items, density
        How many there are, and the share of their pairs that is rated.
    scale, scale_reason, step
        The rating scale, why it is thought so, and the distance between ratings if it is always the same.
    mean, median, histogram
        Of the ratings.
    users_once, items_once
        How many users and items have one rating.
    most_user, most_item
        Who has most ratings, and how many.
    findings
        What may be wrong, the worst first.
    notes
        What reading guessed.
    """

    source: str
    rows: int
    usable: int
    users: int
    items: int
    density: float
    scale: tuple[float, float] | None
    scale_reason: str
    step: float | None
    mean: float | None
    median: float | None
    histogram: tuple[Bar, ...]
    users_once: int
    items_once: int
    most_user: tuple[int | str, int] | None
    most_item: tuple[int | str, int] | None
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether `palate fit` takes the table without being told to skip or settle anything."""
        return all(finding.level != "error" for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as dictionaries, lists, numbers and text, ready for JSON."""
        return {"ok": self.ok, **asdict(self)}


class _Look(NamedTuple):
    """What takes one pass over encoded ratings."""

    reason: str
    step: float | None
    counts: tuple[NDArray[np.int64], NDArray[np.int64]]
    findings: list[Finding]


def check_table(table: Table, *, scale: RatingScale | tuple[float, float] | None = None) -> Check:
    """Look at a table. Rows that cannot be used are found, not raised.

    Parameters
    ----------
    table
        As `palate.reading.read_table` returns it.
    scale
        The rating scale (low, high) if it is known: ratings off it are an error.

    Examples
    --------
    >>> from palate.reading import read_table
    >>> check = check_table(read_table([(1, 10, 5), (1, 20, "good"), (2, 10, 3), (2, 10, 4)]))
    >>> check.ok, check.usable
    (False, 3)
    >>> for finding in check.findings[:2]:
    ...     print(finding.message)
    1 × text for a rating, such as 'good' (row 2)
    1 row rates a pair of user and item again, such as user 2 and item 10: 3 (row 3), then 4 (row 4); ...
    """
    examined = examine(table, as_scale(scale))
    ratings = examined.ratings
    findings = [_fault(table, fault) for fault in examined.faults] + list(_repeats(table, examined))
    if not len(ratings):
        findings.append(Finding("error", "empty", "there are no ratings that can be used", 0))
        return Check(
            table.source, len(table), 0, 0, 0, 0.0, None, "", None, None, None, (), 0, 0, None, None, tuple(findings),
            table.notes,
        )  # fmt: skip
    values, counts = np.unique(ratings.rating, return_counts=True)
    look = _look(ratings, values, counts)
    order = ("error", "warning", "note")
    findings = sorted(findings + look.findings, key=lambda finding: order.index(finding.level))
    users, items = look.counts
    return Check(
        source=table.source,
        rows=len(table),
        usable=len(ratings),
        users=len(ratings.users),
        items=len(ratings.items),
        density=(len(ratings) - (examined.repeats.extra if examined.repeats else 0)) / (len(users) * len(items)),
        scale=(ratings.scale.low, ratings.scale.high),
        scale_reason=look.reason,
        step=look.step,
        mean=float(ratings.rating.mean(dtype=np.float64)),
        median=_median(values, counts),
        histogram=tuple(_histogram(values, counts, ratings.scale)),
        users_once=int((users == 1).sum()),
        items_once=int((items == 1).sum()),
        most_user=(ratings.users[int(users.argmax())], int(users.max())),
        most_item=(ratings.items[int(items.argmax())], int(items.max())),
        findings=tuple(findings),
        notes=table.notes,
    )


def check_ratings(ratings: Ratings) -> tuple[str, ...]:
    """Say in a line or two what ratings that are to be fitted are, and what about them deserves a look.

    Distinct values are looked for in a sample, so this costs little beside reading.

    Raises
    ------
    DataError
        If there is only one user or only one item: then nothing can be learnt.

    Examples
    --------
    >>> from palate.reading import read_ratings
    >>> check_ratings(read_ratings([("ann", 10, 5), ("ann", 20, 4), ("bob", 10, 3)]))[0]
    '3 ratings of 2 items by 2 users (75% of all pairs), scale 3 to 5: three distinct values from 3 to 5, 1 apart'
    """
    if not len(ratings):
        return ("no ratings",)
    look = _look_at_sample(ratings)
    for finding in look.findings:
        if finding.level == "error":
            raise DataError(f"{finding.message}; at least two users and two items are needed")
    first = (
        f"{_many(len(ratings), 'rating')} of {_many(len(ratings.items), 'item')} by "
        f"{_many(len(ratings.users), 'user')} ({100 * ratings.density:.3g}% of all pairs), "
        f"scale {ratings.scale}: {look.reason}"
    )
    return (first, *(["; ".join(finding.message for finding in look.findings)] if look.findings else []))


def suspicions(ratings: Ratings) -> list[str]:
    """Return what may be wrong with ratings that are to be fitted, a sentence each: guesses, and signs of mistakes.

    Examples
    --------
    >>> from palate.reading import read_ratings
    >>> suspicions(read_ratings([("ann", 10, 5), ("ann", 20, 5), ("bob", 10, 5)]))
    ['all ratings are 5: there is nothing to learn']
    """
    if not len(ratings) or not np.isfinite(ratings.rating).all():
        return []
    warnings = [finding.message for finding in _look_at_sample(ratings).findings if finding.level == "warning"]
    return [*(str(note) for note in ratings.notes if isinstance(note, Guess)), *warnings]


def _look_at_sample(ratings: Ratings) -> _Look:
    sample = ratings.rating[:: max(1, len(ratings) // _SAMPLE)]
    ends = np.array([ratings.rating.min(), ratings.rating.max()])
    values, counts = np.unique(np.concatenate([sample, ends]), return_counts=True)
    return _look(ratings, values, counts)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _fault(table: Table, fault: Fault) -> Finding:
    column = "rating" if not fault.code.endswith("-missing") else fault.code.removesuffix("-missing")
    examples = tuple(
        Example(table.where(row), "" if value is None else shown(value))
        for row, value in ((int(row), table.frame[column][int(row)]) for row in fault.rows[:_EXAMPLES])
    )
    value, place = examples[0].value, table.locate(int(fault.rows[0]))
    first = f", such as {value} ({place})" if value else f", first in {place}"
    return Finding("error", fault.code, f"{len(fault.rows):,} × {fault.brief}{first}", len(fault.rows), examples)


def _repeats(table: Table, examined: Examined) -> Iterator[Finding]:
    repeats, ratings = examined.repeats, examined.ratings
    if repeats is None:
        return
    pairs = repeats.conflicting(ratings.rating)
    differ = f"{_many(pairs, 'pair')} {'is' if pairs == 1 else 'are'} rated differently" if pairs else "all alike"
    examples = tuple(
        Example(table.where(examined.row(position)), shown(ratings.rating[position])) for position in repeats.example()
    )
    yield Finding("error", "duplicates", f"{examined.describe_repeats(table)}; {differ}", repeats.extra, examples)


def _look(ratings: Ratings, values: NDArray[np.float32], counts: NDArray[np.int64]) -> _Look:
    """Look at encoded ratings, of which `values` are the distinct ones (or those of a sample)."""
    users, items = ratings.user_counts, ratings.item_counts
    step = _step(values)
    findings = [
        *_lone_values(ratings, values),
        *_strange_ratings(values, counts),
        *(finding for side in (ratings.users, ratings.items) for finding in _strange_ids(side)),
        *_once("user", users),
        *_once("item", items),
    ]
    return _Look(_reason(ratings, values, step), step, (users, items), findings)


def _step(values: NDArray[np.float32]) -> float | None:
    """Return the distance of values of which all are whole steps apart."""
    if not 2 <= len(values) <= _STEPS:
        return None
    gaps = np.diff(values.astype(np.float64))
    step = float(gaps.min())
    whole = gaps / step
    return float(f"{step:.5g}") if np.abs(whole - whole.round()).max() < 0.01 else None


def _even(values: NDArray[np.float32]) -> bool:
    gaps = np.diff(values.astype(np.float64))
    return bool(gaps.max() < 1.01 * gaps.min())


def _reason(ratings: Ratings, values: NDArray[np.float32], step: float | None) -> str:
    low, high = shown(values[0]), shown(values[-1])
    if ratings.declared_scale is not None:
        return f"as declared; ratings go from {low} to {high}"
    if len(values) == 1:
        return f"all ratings are {low}"
    if len(values) <= _STEPS:
        count = _NUMBERS[len(values)] if len(values) < len(_NUMBERS) else str(len(values))
        return f"{count} distinct values from {low} to {high}" + (f", {step:g} apart" if step and _even(values) else "")
    rounded = (ratings.scale.low, ratings.scale.high) != (float(low), float(high))
    return f"continuous from {low} to {high}" + ", rounded outwards" * rounded


def _lone_values(ratings: Ratings, values: NDArray[np.float32]) -> Iterator[Finding]:
    """Find values at the ends that lie so far from the others that they may mean something else, such as 99."""
    rest = list(values.astype(np.float64))
    lone: list[float] = []
    while len(rest) > 3 and len(lone) < _EXAMPLES:
        for end in (-1, 0):
            # The other end may be such a value, too.
            others = rest[1:-1] if len(rest) > 4 else rest[:-1] if end else rest[1:]
            gap, spread, step = (
                abs(rest[end] - others[end]),
                others[-1] - others[0],
                _step(np.array(others, np.float32)),
            )
            if gap > spread or (step and gap > 1.5 * step and rest[end] in _SENTINELS):
                lone.append(rest.pop(end))
                break
        else:
            break
    for value in lone:
        count = int(np.count_nonzero(ratings.rating == np.float32(value)))
        low, high = shown(rest[0]), shown(rest[-1])
        message = (
            f"rating {shown(value)} ({_many(count, 'time')}) lies far from the others, {low} to {high}: if it means "
            f"'not rated', leave it out with scale=({low}, {high}), on_error='skip' "
            f"(--scale {low} {high} --on-error skip)"
        )
        yield Finding("warning", "lone-value", message, count)


def _strange_ratings(values: NDArray[np.float32], counts: NDArray[np.int64]) -> Iterator[Finding]:
    whole = bool((values == values.round()).all())
    low, high, total = float(values[0]), float(values[-1]), int(counts.sum())
    if len(values) == 1:
        yield Finding("warning", "constant", f"all ratings are {shown(values[0])}: there is nothing to learn", total)
    elif whole and all(_SECONDS[0] < abs(end) < _SECONDS[1] for end in (low, high)):
        days = [datetime.fromtimestamp(end, UTC).date() for end in (low, high)]
        yield _wrong_column(f"the ratings look like times ({days[0]} to {days[1]} in seconds since 1970)", total)
    elif whole and len(values) > 2 * _STEPS:
        ends = f"{len(values):,} integers from {low:.0f} to {high:.0f}"
        yield _wrong_column(f"the ratings look like ids ({ends})", total)
    elif low == 0 and whole and len(values) > 3 and counts[0] > 0.3 * total and counts[0] == counts.max():
        share = counts[0] / total
        yield Finding("warning", "zero", f"{share:.0%} of the ratings are 0: do they mean 'not rated'?", int(counts[0]))


def _wrong_column(what: str, count: int) -> Finding:
    return Finding(
        "warning", "wrong-column", f"{what}: choose the columns with user=, item=, rating= (--columns)", count
    )


def _strange_ids(side: Vocabulary) -> Iterator[Finding]:
    if len(side) == 1:
        message = (
            f"there is only one {side.kind}, {side[0]!r}: what {side.kind}s have in common cannot be learnt from it"
        )
        yield Finding("error", f"one-{side.kind}", message, 1)
    if not side.is_text:
        return
    ids = pl.Series(side.ids.tolist(), dtype=pl.String)
    numbers = ids.cast(pl.Float64, strict=False)
    if len(ids) <= 2 * _STEPS and not numbers.null_count() and bool((numbers != numbers.round()).any()):
        message = f"the {side.kind} ids look like ratings ({len(ids)} such as {side[0]!r}): are columns swapped?"
        yield Finding("warning", "ratings-as-ids", message, len(ids))
        return
    plain = (
        ids.str.strip_chars()
        .str.to_lowercase()
        .str.replace(r"^([+-]?\d+)\.0+$", "$1")
        .str.replace(r"^([+-]?)0+(\d+)$", "$1$2")
        .str.strip_prefix("+")
    )
    alike = ids.filter(plain.is_duplicated())
    if len(alike):
        first = plain.filter(plain.is_duplicated())[0]
        some = ids.filter(plain == first).to_list()[:_EXAMPLES]
        message = (
            f"{len(alike):,} {side.kind} ids differ from others only by blanks, case or the spelling of a number, such "
            "as " + " and ".join(map(repr, some))
        )
        yield Finding("warning", f"similar-{side.kind}s", message, len(alike))


def _once(kind: str, counts: NDArray[np.int64]) -> Iterator[Finding]:
    once = int((counts == 1).sum())
    if once:
        verb = "has" if once == 1 else "have"
        yield Finding("note", f"{kind}s-once", f"{_many(once, kind)} {verb} one rating only", once)


def _median(values: NDArray[np.float32], counts: NDArray[np.int64]) -> float:
    total, until = counts.sum(), np.cumsum(counts)
    middle = np.searchsorted(until, [(total - 1) // 2, total // 2], side="right")
    return float(values[middle].astype(np.float64).mean())


def _histogram(values: NDArray[np.float32], counts: NDArray[np.int64], scale: RatingScale) -> Iterator[Bar]:
    if len(values) <= 2 * _BARS:
        for value, count in zip(values, counts, strict=True):
            yield Bar(float(shown(value)), float(shown(value)), int(count))
        return
    edges = np.linspace(scale.low, scale.high, _BARS + 1)
    bars, _ = np.histogram(values, edges, weights=counts)
    for low, high, count in zip(edges, edges[1:], bars, strict=False):
        yield Bar(float(low), float(high), int(count))
