"""When the ratings were given: span, resolution, order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from palate.check.findings import Finding
from palate.ratings import Ratings

__all__ = ["Times", "look_at_times", "span", "strange_times"]

_RESOLUTIONS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))
_FIRST_YEAR = 366 * 86_400
# Dates from 1982 to 2064 as spreadsheets count them.
_SERIALS = (30_000, 60_000)
_EXCEL = "if they are days since 1900, as Excel counts them, write them as dates such as 2024-01-31; "


@dataclass(frozen=True)
class Times:
    """The times of a table.

    Parameters
    ----------
    first, last
        The earliest and the latest, in UTC as ISO 8601 spells them.
    resolution
        "seconds", "minutes", "hours" or "days": the coarsest unit in which they all are whole.
    order
        "ascending", "descending", "ascending within each user" or "none": in which the rows stand.
    """

    first: str
    last: str
    resolution: str
    order: str

    def __str__(self) -> str:
        order = "in no order" if self.order == "none" else self.order
        return f"{self.first} to {self.last}, in whole {self.resolution}, {order}"


def look_at_times(ratings: Ratings) -> Times | None:
    """Describe the times of ratings, if there are any."""
    if ratings.time is None or not len(ratings):
        return None
    time = ratings.time
    resolution = next((name for unit, name in _RESOLUTIONS if not (time % unit).any()), "seconds")
    first, last = (_spelled(int(end), resolution) for end in (time.min(), time.max()))
    return Times(first, last, resolution, _order(time, ratings.user))


def span(ratings: Ratings) -> str:
    """Say on which days the first and the last rating were given."""
    if ratings.time is None or not len(ratings):
        return ""
    first, last = (_spelled(int(end), "days") for end in (ratings.time.min(), ratings.time.max()))
    return f"{first} to {last}"


def _spelled(seconds: int, resolution: str) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return f"{seconds} seconds since 1970"
    return moment.strftime("%Y-%m-%d" if resolution == "days" else "%Y-%m-%dT%H:%M:%SZ")


def _order(time: NDArray[np.int64], user: NDArray[np.int32]) -> str:
    if (time[1:] >= time[:-1]).all():
        return "ascending"
    if (time[1:] <= time[:-1]).all():
        return "descending"
    by_user = np.argsort(user, kind="stable")
    later, same = np.diff(time[by_user]) >= 0, np.diff(user[by_user]) == 0
    return "ascending within each user" if (later | ~same).all() else "none"


def strange_times(ratings: Ratings) -> Iterator[Finding]:
    """Find times that can hardly be meant."""
    if ratings.time is None or not len(ratings):
        return
    low, high = int(ratings.time.min()), int(ratings.time.max())
    if low == high and len(ratings) > 1:
        yield Finding("note", "one-time", "all ratings have the same time: it says nothing", len(ratings))
    elif low >= 0 and high < _FIRST_YEAR:
        message = (
            f"the times are small numbers, {low} to {high}: taken as seconds since 1970 they only order the ratings; "
            f"{_EXCEL if low >= _SERIALS[0] and high <= _SERIALS[1] else ''}time=False (--no-time) leaves them out"
        )
        yield Finding("warning", "small-times", message, len(ratings))
