"""Files, data frames, arrays and databases in; ratings and catalogues out.

`read_ratings` is `read_table` (what does the source say, and where?) followed by `encode` (can every row be used? which
indices do its ids get?). `palate.check` looks between the two.

>>> read_ratings([("ann", "tea", 5), ("bob", "tea", 3), ("ann", "milk", 1)])
Ratings(3 ratings, 2 users, 2 items)
"""

from __future__ import annotations

import os
from typing import Any

from palate.catalogue import Catalogue
from palate.errors import DataError, ReadError
from palate.ratings import Ratings, RatingScale
from palate.reading.catalogue import read_catalogue
from palate.reading.columns import Column, Guess
from palate.reading.encode import encode
from palate.reading.frames import binary_reader, read_frame
from palate.reading.sql import is_url, read_sql
from palate.reading.table import Table
from palate.reading.text import read_text

__all__ = ["Catalogue", "Guess", "Table", "encode", "ratings_of", "read_catalogue", "read_ratings", "read_table"]


def read_table(
    source: Any,
    *,
    user: Column = None,
    item: Column = None,
    rating: Column = None,
    separator: str | None = None,
    header: bool | None = None,
    layout: str = "auto",
    missing: float = 99,
    query: str | None = None,
) -> Table:
    r"""Read a table of ratings as it is: no row is judged, no id encoded.

    Parameters
    ----------
    source
        A path to delimited text (also compressed: gzip, bzip2, xz, zstd, a zip of one file), Parquet or Arrow; a
        polars, pandas or Arrow frame; an array (n, 3) or with named fields; three arrays; a list of (user, item,
        rating); or a database URL, with `query`.
    user, item, rating
        Name of the column, or its position from 0. Guessed by common names, else the first three columns.
    separator
        What separates the columns of a text, " " for any run of blanks; guessed if None.
    header
        Whether the first line of a text names its columns; guessed if None.
    layout
        "long": a row a rating; "wide": a row a user, as in Jester's spreadsheets; "auto" recognises these.
    missing
        What stands for "not rated" in the wide layout.
    query
        The SELECT to run if `source` is a database URL.

    Raises
    ------
    ReadError
        If the source cannot be read as a table.
    MissingExtraError
        If a database is to be read without SQLAlchemy or its driver.

    Examples
    --------
    >>> table = read_table([(1, 10, 4.5), (1, 20, None)])
    >>> len(table), table.where(1)
    (2, 'the list, row 2')
    """
    told = {"user": user, "item": item, "rating": rating}
    if is_url(source):
        return read_sql(source, query, told)
    if query is not None:
        raise ReadError("a query needs a database URL, such as sqlite:///ratings.db")
    if not isinstance(source, (str, os.PathLike)):
        return read_frame(source, told)
    reader = binary_reader(source)
    if reader is not None:
        return reader(told)
    return read_text(source, told, separator=separator, header=header, layout=layout, missing=missing)


def read_ratings(
    source: Any,
    *,
    user: Column = None,
    item: Column = None,
    rating: Column = None,
    separator: str | None = None,
    header: bool | None = None,
    layout: str = "auto",
    missing: float = 99,
    query: str | None = None,
    on_error: str = "error",
    duplicates: str = "error",
    scale: RatingScale | tuple[float, float] | None = None,
) -> Ratings:
    """Read a table of ratings and encode its ids.

    Parameters
    ----------
    source, user, item, rating, separator, header, layout, missing, query
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

    Examples
    --------
    >>> ratings = read_ratings([("ann", "tea", 5), ("ann", "tea", 2), ("bob", "tea", None)],
    ...     duplicates="last", on_error="skip")
    >>> ratings.rating, ratings.notes[1]
    (array([2.], dtype=float32), 'left out 1 of 3 rows: 1 × no rating')
    """
    table = read_table(
        source, user=user, item=item, rating=rating, separator=separator, header=header, layout=layout,
        missing=missing, query=query,
    )  # fmt: skip
    return encode(table, on_error=on_error, duplicates=duplicates, scale=scale)


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
