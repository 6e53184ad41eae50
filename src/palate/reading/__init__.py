"""Files, data frames, arrays and databases in; ratings and catalogues out.

`read_ratings` is `read_table` (what does the source say, and where?) followed by `encode` (can every row be used? which
indices do its ids get?). `palate.check` looks between the two.

>>> read_ratings([("ann", "tea", 5), ("bob", "tea", 3), ("ann", "milk", 1)])
Ratings(3 ratings, 2 users, 2 items)
"""

from __future__ import annotations

import os
import warnings
from typing import Any

from palate.catalogue import Catalogue
from palate.errors import DataError, PalateWarning, ReadError, SettingsError
from palate.ratings import Ratings, RatingScale
from palate.reading.arrange import arrange
from palate.reading.attributes import read_attributes
from palate.reading.catalogue import read_catalogue
from palate.reading.columns import Guess
from palate.reading.encode import encode
from palate.reading.formats import special_reader
from palate.reading.frames import binary_reader, read_frame
from palate.reading.mixed_ids import MixedIds
from palate.reading.raw import Choice, Column, RawTable, Wanted
from palate.reading.several import list_files, read_several
from palate.reading.source import open_text, polars_errors_named, source_name
from palate.reading.sql import is_url, read_sql
from palate.reading.table import Table
from palate.reading.text import read_text

__all__ = [
    "Catalogue",
    "Guess",
    "Table",
    "encode",
    "one_rating_each",
    "ratings_of",
    "read_attributes",
    "read_catalogue",
    "read_ratings",
    "read_table",
]

# So many users with one rating each are no chance.
_FEW_USERS = 5


def read_table(
    source: Any,
    *,
    user: Choice = None,
    item: Column = None,
    rating: Choice = None,
    time: Choice = None,
    separator: str | None = None,
    header: bool | None = None,
    layout: str = "auto",
    missing: float | None = None,
    query: str | None = None,
) -> Table:
    r"""Read a table of ratings as it is: no row is judged, no id encoded.

    Parameters
    ----------
    source
        A path to delimited text (also compressed: gzip, bzip2, xz, zstd, a zip of one file), JSON lines, a Matrix
        Market file, Parquet or Arrow; several paths, a folder, a pattern such as "part-*.csv", or "-" for standard
        input; a polars, pandas or Arrow frame; an array (n, 3) or with named fields; three arrays; a SciPy sparse
        matrix; a list of (user, item, rating); a dictionary of dictionaries; or a database URL, with `query`.
    user, item, rating
        Name of the column, or its position from 0. Guessed by common names, else taken in order if there are no other
        columns. `rating=False`: every row is a choice, with rating 1, as in a table of two columns. `user=False`: a
        wide table has no column of user ids.
    time
        Name or position of the column that says when; guessed by common names and by its values if None; False for
        none. Epoch seconds, milliseconds, microseconds and nanoseconds, ISO dates and other common formats become
        seconds since 1970.
    separator
        What separates the columns of a text, " " for any run of blanks; guessed if None.
    header
        Whether the first line of a text names its columns; guessed if None.
    layout
        "long": a row a rating; "wide": a row a user, as in pivot tables and in Jester's spreadsheets; "auto" recognises
        these.
    missing
        A value that stands for "not rated"; 99 in Jester's spreadsheets if None. Blank cells of a wide table are never
        rated.
    query
        The SELECT to run if `source` is a database URL.

    Raises
    ------
    ReadError
        If the source cannot be read as a table.
    SettingsError
        If `layout`, `missing` or `separator` is none.
    MissingExtraError
        If a database is to be read without SQLAlchemy or its driver.

    Examples
    --------
    >>> table = read_table([(1, 10, 4.5), (1, 20, None)])
    >>> len(table), table.where(1)
    (2, 'the list, row 2')
    """
    _check_types(missing, separator)
    wanted = Wanted(user, item, rating, time, layout, missing)
    files = None if is_url(source) else list_files(source)

    def read(path: Any) -> Table:
        with polars_errors_named(path):
            return arrange(_open(path, separator, header, query), wanted)

    return read(source) if files is None else read_several(files, read)


def _check_types(missing: Any, separator: Any) -> None:
    """Refuse what is plainly of another type than is wanted."""
    if missing is not None and (isinstance(missing, str) or not hasattr(missing, "__float__")):
        raise SettingsError(f"missing is a number, not {missing!r}: words such as NA and blank cells are never ratings")
    if separator is not None and not isinstance(separator, str):
        raise SettingsError(f"separator is text, such as ';', not {separator!r}")


def _open(source: Any, separator: str | None, header: bool | None, query: str | None) -> RawTable:
    if is_url(source):
        return read_sql(source, query)
    if query is not None:
        raise ReadError("a query needs a database URL, such as sqlite:///ratings.db")
    if not isinstance(source, (str, os.PathLike)):
        return read_frame(source)
    reader = binary_reader(source)
    if reader is not None:
        return reader()
    content = open_text(source)
    special = special_reader(content) if separator is None else None
    if special is not None:
        return special(source_name(source))
    return read_text(content, source_name(source), separator=separator, header=header)


def read_ratings(
    source: Any,
    *,
    user: Choice = None,
    item: Column = None,
    rating: Choice = None,
    time: Choice = None,
    separator: str | None = None,
    header: bool | None = None,
    layout: str = "auto",
    missing: float | None = None,
    query: str | None = None,
    on_error: str = "error",
    duplicates: str = "error",
    scale: RatingScale | tuple[float, float] | None = None,
) -> Ratings:
    """Read a table of ratings and encode its ids.

    Parameters
    ----------
    source, user, item, rating, time, separator, header, layout, missing, query
        As in `read_table`.
    on_error, duplicates, scale
        As in `encode`.

    Raises
    ------
    ReadError
        If the source cannot be read, or a row cannot be used.
    DataError
        If a rating is off the declared scale, a pair is rated twice, or there are no ratings.
    MissingExtraError
        If a database is to be read without SQLAlchemy or its driver.

    Warns
    -----
    PalateWarning
        If every user has exactly one rating: most likely the columns are others. If ids are integers in one of several
        files and text in another: then all are text.

    Examples
    --------
    >>> ratings = read_ratings([("ann", "tea", 5), ("ann", "tea", 2), ("bob", "tea", None)],
    ...     duplicates="last", on_error="skip")
    >>> ratings.rating, ratings.notes[1]
    (array([2.], dtype=float32), 'left out 1 of 3 rows: 1 × no rating (row 3)')
    """
    table = read_table(
        source, user=user, item=item, rating=rating, time=time, separator=separator, header=header, layout=layout,
        missing=missing, query=query,
    )  # fmt: skip
    ratings = encode(table, on_error=on_error, duplicates=duplicates, scale=scale)
    for note in table.notes:
        if isinstance(note, MixedIds):
            warnings.warn(note, PalateWarning, stacklevel=2)
    warning = one_rating_each(table.source, len(ratings.users), len(ratings))
    if warning:
        warnings.warn(warning, PalateWarning, stacklevel=2)
    return ratings


def one_rating_each(source: str, users: int, ratings: int) -> str:
    """Say what is likely wrong if every user has exactly one rating; "" if not, or if there are very few users."""
    if not users == ratings >= _FEW_USERS:
        return ""
    return (
        f"{source}: every user has exactly one rating: is the user column right? Name the columns with user=, item=, "
        "rating= (--columns)"
    )


def ratings_of(source: Any) -> Ratings:
    """Return ratings; whatever else `read_ratings` reads is read with its defaults.

    Raises
    ------
    DataError
        If the source is a split: one of its parts is wanted.
    ReadError
        If it is nothing that can be read.

    Examples
    --------
    >>> ratings_of([("ann", "tea", 5), ("bob", "tea", 3)])
    Ratings(2 ratings, 2 users, 1 items)
    """
    if isinstance(source, Ratings):
        return source
    if hasattr(source, "train") and hasattr(source, "test"):
        raise DataError("this is a split, not one table of ratings: hand over its .train or its .test")
    return read_ratings(source)
