"""What ratings are, judged by their values: a scale, choices, thumbs or counts; and values that may be none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from palate.check.findings import EXAMPLES, Finding, many
from palate.ratings import Ratings
from palate.reading.faults import shown

__all__ = ["STEPS", "describe_scale", "filler", "find_step", "lone_values", "rare_values", "strange_ratings"]

# So many distinct values at most make a scale of steps rather than a continuous one.
STEPS = 100
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
# What stands for "not rated" in other people's tables.
_SENTINELS = (-1, 0, 9, 88, 98, 99, 255, 999, 9999, 65535, -9, -99, -999, -9999)
_SECONDS = (3e8, 4e9)  # 1979 to 2096 in seconds since 1970
_USUAL_SCALES = {
    (1, 5),
    (0.5, 5),
    (1, 10),
    (1, 7),
    (1, 4),
    (1, 3),
    (1, 6),
    (0, 5),
    (0, 10),
    (-10, 10),
    (1, 100),
    (0, 100),
}
# A value is rare below this share, and if its neighbour is this number of times as frequent.
_RARE, _PLAINLY_RARE, _SENTINEL_RARE = 0.05, 20, 3
# The highest rating of scales in use, but for those in per cent.
_LARGEST_SCALE = 10


def find_step(values: NDArray[np.float32]) -> float | None:
    """Return the distance of values of which all are whole steps apart."""
    if not 2 <= len(values) <= STEPS:
        return None
    gaps = np.diff(values.astype(np.float64))
    step = float(gaps.min())
    whole = gaps / step
    return float(f"{step:.5g}") if np.abs(whole - whole.round()).max() < 0.01 else None


def _even(values: NDArray[np.float32]) -> bool:
    gaps = np.diff(values.astype(np.float64))
    return bool(gaps.max() < 1.01 * gaps.min())


def describe_scale(ratings: Ratings, values: NDArray[np.float32], step: float | None) -> str:
    """Say why the scale is thought to be what it is."""
    low, high = shown(values[0]), shown(values[-1])
    if ratings.declared_scale is not None:
        return f"as declared; ratings go from {low} to {high}"
    if len(values) == 1:
        return f"all ratings are {low}"
    if len(values) <= STEPS:
        count = _NUMBERS[len(values)] if len(values) < len(_NUMBERS) else str(len(values))
        return f"{count} distinct values from {low} to {high}" + (f", {step:g} apart" if step and _even(values) else "")
    rounded = (ratings.scale.low, ratings.scale.high) != (float(low), float(high))
    return f"continuous from {low} to {high}" + ", rounded outwards" * rounded


def lone_values(ratings: Ratings, values: NDArray[np.float32]) -> Iterator[Finding]:
    """Find values at the ends that lie so far from the others that they may mean something else, such as 99."""
    rest = list(values.astype(np.float64))
    lone: list[float] = []
    while len(rest) > 3 and len(lone) < EXAMPLES:
        for end in (-1, 0):
            # The other end may be such a value, too.
            others = rest[1:-1] if len(rest) > 4 else rest[:-1] if end else rest[1:]
            gap, spread, step = (
                abs(rest[end] - others[end]),
                others[-1] - others[0],
                find_step(np.array(others, np.float32)),
            )
            if gap > spread or (step and gap > 1.5 * step and rest[end] in _SENTINELS):
                lone.append(rest.pop(end))
                break
        else:
            break
    is_counted = bool(values[0] >= 0 and not np.any(values % 1))
    events = "; if these are counts of events, keep all of them: --solver implicit learns from counts" * is_counted
    for value in lone:
        count = int(np.count_nonzero(ratings.rating == np.float32(value)))
        low, high = shown(rest[0]), shown(rest[-1])
        message = (
            f"rating {shown(value)} ({many(count, 'time')}) lies far from the others, {low} to {high}: if it means "
            f"'not rated', leave it out with scale=({low}, {high}), on_error='skip' "
            f"(--scale {low} {high} --on-error skip){events}"
        )
        yield Finding("warning", "lone-value", message, count)


def rare_values(ratings: Ratings, values: NDArray[np.float32], counts: NDArray[np.int64]) -> Iterator[Finding]:
    """Find values that are rare and stretch a usual scale, or lie between its steps."""
    if not 4 <= len(values) <= STEPS or ratings.declared_scale is not None:
        return
    rest, sizes = list(values.astype(np.float64)), list(counts)
    total = float(counts.sum())
    rare: list[float] = []
    while len(rest) > 3 and len(rare) < EXAMPLES:
        for end, neighbour in ((0, 1), (-1, -2)):
            ratio = _PLAINLY_RARE if rest[end] not in (0, -1) else _SENTINEL_RARE
            others = rest[1:] if end == 0 else rest[:-1]
            often = np.count_nonzero(ratings.rating == np.float32(rest[end])) * total / len(ratings)
            usual = (others[0], others[-1]) in _USUAL_SCALES
            if often < _RARE * total and ratio * often < sizes[neighbour] and (usual or rest[end] == -1):
                rare.append(rest.pop(end))
                sizes.pop(end)
                break
        else:
            break
    for value in rare:
        count = int(np.count_nonzero(ratings.rating == np.float32(value)))
        message = (
            f"rating {shown(value)} ({many(count, 'time')}) is rare and stretches the scale {shown(rest[0])} to "
            f"{shown(rest[-1])}: if it means 'not rated' or is a mistake, leave it out with missing={shown(value)} "
            f"(--missing {shown(value)})"
        )
        yield Finding("warning", "rare-value", message, count)
    yield from _between_steps(ratings, np.array(rest), np.array(sizes))


def _between_steps(ratings: Ratings, values: NDArray[np.float64], counts: NDArray[np.int64]) -> Iterator[Finding]:
    common = values[counts >= 0.01 * counts.sum()]
    step = find_step(common.astype(np.float32)) if len(common) > 2 else None
    if step is None:
        return
    places = (values - common[0]) / step
    odd = values[np.abs(places - places.round()) > 0.01]
    count = int(np.isin(ratings.rating, odd.astype(np.float32)).sum())
    if 0 < count < 0.01 * len(ratings):
        message = (
            f"{many(count, 'rating')}, such as {shown(odd[0])}, {'lies' if count == 1 else 'lie'} between the steps of "
            f"the others, {shown(common[0])} to {shown(common[-1])}, {step:g} apart"
        )
        yield Finding("warning", "off-step", message, count)


def filler(ratings: Ratings, values: NDArray[np.float32], counts: NDArray[np.int64]) -> Iterator[Finding]:
    """Find a value that fills most of a table in which nearly every pair is rated, as wide tables without gaps are."""
    share = counts.max() / counts.sum()
    small = min(len(ratings.users), len(ratings.items)) < 3
    thumbs = set(values.tolist()) <= {-1.0, 0.0, 1.0}
    if len(values) < 3 or thumbs or small or share <= 0.5 or ratings.density < 0.95:
        return
    value = shown(values[counts.argmax()])
    message = (
        f"nearly every pair of user and item is rated, and {share:.0%} of the ratings are {value}: if that means 'not "
        f"rated', leave it out with missing={value} (--missing {value})"
    )
    yield Finding("warning", "filler", message, int(share * len(ratings)))


def strange_ratings(values: NDArray[np.float32], counts: NDArray[np.int64]) -> Iterator[Finding]:
    """Find ratings that are choices, thumbs or counts, or that come from another column."""
    whole = bool((values == values.round()).all())
    low, high, total = float(values[0]), float(values[-1]), int(counts.sum())
    if len(values) == 1:
        message = (
            f"all ratings are {shown(values[0])}: there is nothing to learn from them but who chose what; for that fit "
            "choices, with --solver implicit (palate.ImplicitALS)"
        )
        yield Finding("warning", "constant", message, total)
    elif set(values.tolist()) <= {-1.0, 0.0, 1.0}:
        yield Finding("note", "thumbs", _thumbs(values), total)
    elif whole and all(_SECONDS[0] < abs(end) < _SECONDS[1] for end in (low, high)):
        days = [datetime.fromtimestamp(end, UTC).date() for end in (low, high)]
        yield _wrong_column(f"the ratings look like times ({days[0]} to {days[1]} in seconds since 1970)", total)
    elif whole and _are_counts(values, counts):
        median = values[np.searchsorted(np.cumsum(counts), total / 2)]
        message = (
            f"the ratings look like counts (integers from {low:.0f} to {high:.0f}, half of them up to {median:.0f}): "
            "fit who chose what with --solver implicit, and --confidence if more means more (palate.ImplicitALS); for "
            "a solver of ratings take their logarithm first"
        )
        yield Finding("warning", "counts", message, total)
    elif whole and len(values) > 2 * STEPS:
        ends = f"{len(values):,} integers from {low:.0f} to {high:.0f}"
        yield _wrong_column(f"the ratings look like ids ({ends})", total)
    elif low == 0 and whole and len(values) > 3 and counts[0] > 0.3 * total and counts[0] == counts.max():
        message = (
            f"{counts[0] / total:.0%} of the ratings are 0: do they mean 'not rated'? Then leave them out with "
            "missing=0 (--missing 0)"
        )
        yield Finding("warning", "zero", message, int(counts[0]))


def _thumbs(values: NDArray[np.float32]) -> str:
    low = shown(values[0])
    return (
        f"the ratings are {' and '.join(map(shown, values))}, as thumbs or clicks have them: a solver of ratings "
        f"predicts them as numbers; for lists fit those that are 1 as choices, with --missing {low} --solver implicit"
    )


def _are_counts(values: NDArray[np.float32], counts: NDArray[np.int64]) -> bool:
    """Whether whole numbers are spread as counts are: most are small, a few are large."""
    median = values[np.searchsorted(np.cumsum(counts), counts.sum() / 2)]
    mode = values[counts.argmax()]
    large = len(values) > 2 and values[-2] > _LARGEST_SCALE  # one alone may be a mistake
    return bool(values[0] >= 0 and large and median <= values[-1] / 5 and mode <= max(3, median))


def _wrong_column(what: str, count: int) -> Finding:
    return Finding(
        "warning", "wrong-column", f"{what}: choose the columns with user=, item=, rating= (--columns)", count
    )
