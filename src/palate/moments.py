"""Moments in time, as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from math import floor, nan

import numpy as np

from palate.errors import SettingsError

__all__ = ["Moment", "seconds_of"]

#: A date or a time (UTC if it has no zone), as an object or in ISO format, or seconds since 1970.
Moment = int | float | str | date

# The moments between which whole seconds can be told apart without care.
_MOST = 2**40


def seconds_of(moment: Moment) -> int:
    """Return the whole seconds since 1970 of a moment.

    Raises
    ------
    SettingsError
        If it is none.

    Examples
    --------
    >>> seconds_of("1998-01-31"), seconds_of("1998-01-31T01:00+01:00"), seconds_of(886204800.5)
    (886204800, 886204800, 886204800)
    """
    anything: object = moment
    if isinstance(anything, np.datetime64):  # as from a column of a table
        seconds = nan if np.isnat(anything) else float(anything.astype("datetime64[s]").astype(np.int64))
    elif isinstance(moment, bool):
        seconds = nan
    elif isinstance(moment, (str, date)):
        seconds = _seconds_of_text(moment if isinstance(moment, str) else moment.isoformat())
    else:
        seconds = float(moment) if isinstance(moment, (int, float, np.integer, np.floating)) else nan
    if not abs(seconds) < _MOST:
        raise SettingsError(f"{moment!r} is no moment: write a date such as 2001-03-31, or seconds since 1970")
    return floor(seconds)


def _seconds_of_text(text: str) -> float:
    """Return the seconds of a text, NaN if it is none."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return float(text) if text.strip().isdecimal() else nan
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
