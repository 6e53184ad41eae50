"""A look at ratings before anyone fits: what they are, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.check.findings import EXAMPLES, Example, Finding, many
from palate.check.ids import rated_once, strange_ids
from palate.check.times import Times, look_at_times, span, strange_times
from palate.check.values import describe_scale, filler, find_step, lone_values, rare_values, strange_ratings
from palate.errors import DataError
from palate.ratings import Ratings, RatingScale
from palate.reading.columns import Guess
from palate.reading.encode import Examined, as_scale, check_policies, examine, settled
from palate.reading.faults import Fault, shown
from palate.reading.mixed_ids import MixedIds
from palate.reading.table import Table

__all__ = ["Bar", "Check", "check_ratings", "check_table", "histogram", "median_of"]

_SAMPLE = 50_000
_BARS = 10


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
    times
        Span, resolution and order of the times, if there are any.
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
    times: Times | None = None

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


def check_table(
    table: Table,
    *,
    scale: RatingScale | tuple[float, float] | None = None,
    on_error: str = "error",
    duplicates: str = "error",
) -> Check:
    """Look at a table. Rows that cannot be used are found, not raised.

    Parameters
    ----------
    table
        As `palate.reading.read_table` returns it.
    scale
        The rating scale (low, high) if it is known: ratings off it are an error.
    on_error, duplicates
        As in `palate.reading.encode`: what they skip or settle is no error.

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
    check_policies(on_error=on_error, duplicates=duplicates)
    examined = examine(table, as_scale(scale) if duplicates not in ("sum", "count") else None)
    ratings = examined.ratings
    level = "error" if on_error == "error" else "note"
    findings = [*_bad_lines(table, level), *(_fault(table, fault, level) for fault in examined.faults)]
    findings += _repeats(table, examined, duplicates)
    findings += [Finding("warning", "mixed-ids", note, note.rows) for note in table.notes if isinstance(note, MixedIds)]
    notes = tuple(note for note in table.notes if not isinstance(note, MixedIds))
    if not len(ratings):
        findings.append(Finding("error", "empty", "there are no ratings that can be used", 0))
        return Check(
            table.source, len(table), 0, 0, 0, 0.0, None, "", None, None, None, (), 0, 0, None, None, tuple(findings),
            notes,
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
        median=median_of(values, counts),
        histogram=tuple(histogram(values, counts, ratings.scale)),
        users_once=int((users == 1).sum()),
        items_once=int((items == 1).sum()),
        most_user=(ratings.users[int(users.argmax())], int(users.max())),
        most_item=(ratings.items[int(items.argmax())], int(items.max())),
        findings=tuple(findings),
        notes=notes,
        times=look_at_times(ratings),
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
        f"{many(len(ratings), 'rating')} of {many(len(ratings.items), 'item')} by "
        f"{many(len(ratings.users), 'user')} ({100 * ratings.density:.3g}% of all pairs), "
        f"scale {ratings.scale}: {look.reason}" + (f"; {span(ratings)}" if ratings.time is not None else "")
    )
    return (first, *(["; ".join(finding.message for finding in look.findings)] if look.findings else []))


def suspicions(ratings: Ratings) -> list[str]:
    """Return what may be wrong with ratings that are to be fitted, a sentence each: guesses, and signs of mistakes.

    Examples
    --------
    >>> from palate.reading import read_ratings
    >>> suspicions(read_ratings([("ann", 10, 5), ("ann", 20, 5), ("bob", 10, 5)]))[0][:18]
    'all ratings are 5:'
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


def _bad_lines(table: Table, level: str) -> Iterator[Finding]:
    bad = table.bad
    if bad is None:
        return
    examples = tuple(Example(f"{table.source}, {place}", fault) for place, fault in zip(bad.places, bad.faults))
    message = f"{len(bad.places):,} × no row of the table, such as {bad}"
    yield Finding(level, "bad-line", message, len(bad.places), examples)


def _fault(table: Table, fault: Fault, level: str) -> Finding:
    values = [fault.value(table, place) for place in range(min(EXAMPLES, len(fault.rows)))]
    examples = tuple(
        Example(table.where(int(row)), "" if value is None else shown(value))
        for row, value in zip(fault.rows, values, strict=False)
    )
    value, place = examples[0].value, table.locate(int(fault.rows[0]))
    first = f", such as {value} ({place})" if value else f", first in {place}"
    return Finding(level, fault.code, f"{len(fault.rows):,} × {fault.brief}{first}", len(fault.rows), examples)


def _repeats(table: Table, examined: Examined, policy: str) -> Iterator[Finding]:
    repeats, ratings = examined.repeats, examined.ratings
    if repeats is None:
        return
    pairs = repeats.conflicting(ratings.rating)
    differ = f"{many(pairs, 'pair')} {'is' if pairs == 1 else 'are'} rated differently" if pairs else "all alike"
    examples = tuple(
        Example(table.where(examined.row(position)), shown(ratings.rating[position])) for position in repeats.example()
    )
    message = f"{examined.describe_repeats(table)}; {differ}"
    if policy != "error":
        message += f"; {settled(ratings, policy)}"
    yield Finding("error" if policy == "error" else "note", "duplicates", message, repeats.extra, examples)


def _look(ratings: Ratings, values: NDArray[np.float32], counts: NDArray[np.int64]) -> _Look:
    """Look at encoded ratings, of which `values` are the distinct ones (or those of a sample)."""
    users, items = ratings.user_counts, ratings.item_counts
    strange = list(strange_ratings(values, counts))
    # Counts have a few large values by nature.
    odd = [] if any(finding.code == "counts" for finding in strange) else list(lone_values(ratings, values))
    findings = [
        *odd,
        *([] if odd else rare_values(ratings, values, counts)),
        *strange,
        *filler(ratings, values, counts),
        *strange_times(ratings),
        *(finding for side in (ratings.users, ratings.items) for finding in strange_ids(side)),
        *rated_once("user", users),
        *rated_once("item", items),
    ]
    step = find_step(values)
    return _Look(describe_scale(ratings, values, step), step, (users, items), findings)


def median_of(values: NDArray[np.float32], counts: NDArray[np.int64]) -> float:
    """Return the median of ratings of which the distinct values and their numbers are known."""
    total, until = counts.sum(), np.cumsum(counts)
    middle = np.searchsorted(until, [(total - 1) // 2, total // 2], side="right")
    return float(values[middle].astype(np.float64).mean())


def histogram(values: NDArray[np.float32], counts: NDArray[np.int64], scale: RatingScale) -> Iterator[Bar]:
    """Yield the bars of a histogram: one for each value, or for each tenth of the scale where there are many."""
    if len(values) <= 2 * _BARS:
        for value, count in zip(values, counts, strict=True):
            yield Bar(float(shown(value)), float(shown(value)), int(count))
        return
    edges = np.linspace(scale.low, scale.high, _BARS + 1)
    bars, _ = np.histogram(values, edges, weights=counts)
    for low, high, count in zip(edges, edges[1:], bars, strict=False):
        yield Bar(float(low), float(high), int(count))
