"""Which rated pairs are choices."""

from __future__ import annotations

import numpy as np

from palate.errors import DataError
from palate.ratings import Ratings

__all__ = ["choices_of", "require_choices"]


def choices_of(ratings: Ratings, liked: float | None) -> Ratings:
    """Return the rows with a rating of `liked` or more, all rows if it is None; the vocabularies stay as they are."""
    return ratings if liked is None else ratings.take(ratings.rating >= np.float32(liked))


def require_choices(ratings: Ratings, liked: float | None) -> Ratings:
    """Return the rows of `choices_of`.

    Raises
    ------
    DataError
        If there is none.
    """
    choices = choices_of(ratings, liked)
    if not len(choices):
        raise DataError(f"no rating is at least {liked:g}, so there are no choices: lower liked (--liked)")
    return choices
