"""Moments in time, as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from math import isfinite

from palate.errors import SettingsError

__all__ = ["Moment", "seconds_of"]

#: A date or a time (UTC if it has no zone), as an object or in ISO format, or seconds since 1970.
Moment = int | float | str | date

_LEAST, _MOST = -(2**40), 2**40


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
    if not isinstance(moment, (bool, date, str)) and isinstance(moment, (int, float)):
        return _checked(float(moment), moment)
    try:
        when = datetime.fromisoformat(moment if isinstance(moment, str) else moment.isoformat())
    except (ValueError, AttributeError) as error:
        try:
            return _checked(float(str(moment)), moment)
        except ValueError:
            raise _no_moment(moment) from error
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def _checked(seconds: float, moment: object) -> int:
    if not isfinite(seconds) or not _LEAST < seconds < _MOST:
        raise _no_moment(moment)
    return int(seconds // 1)


def _no_moment(moment: object) -> SettingsError:
    return SettingsError(f"{moment!r} is no moment: write a date such as 2001-03-31, or seconds since 1970")
