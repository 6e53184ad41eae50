"""Synthetic tables of any size and known structure, and writing tables to files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.files import replacing
from palate.lazy import pl
from palate.parallel import pool
from palate.ratings import Ratings, RatingScale, Vocabulary

__all__ = ["Truth", "make_ratings", "write_ratings"]

_PART = 1 << 18  # ratings drawn by one call of a kernel: short enough for Ctrl-C to be heard


class Truth(NamedTuple):
    """The parameters that a synthetic table was drawn from; rows in the order of the vocabularies.

    Attributes
    ----------
    mean
        The mean of all possible ratings, before clipping.
    user_bias, item_bias
        float32, users and items.
    user_factors, item_factors
        float32, (users, k) and (items, k).
    noise
        The standard deviation of the noise: no model has a lower RMSE, clipping and steps aside.
    """

    mean: float
    user_bias: NDArray[np.float32]
    item_bias: NDArray[np.float32]
    user_factors: NDArray[np.float32]
    item_factors: NDArray[np.float32]
    noise: float


@overload
def make_ratings(
    users: int,
    items: int,
    ratings: int,
    *,
    factors: int = ...,
    noise: float | None = ...,
    scale: RatingScale | tuple[float, float] = ...,
    step: float | None = ...,
    popularity: float = ...,
    activity: float = ...,
    seed: int = ...,
    return_truth: Literal[False] = ...,
) -> Ratings: ...
@overload
def make_ratings(
    users: int,
    items: int,
    ratings: int,
    *,
    factors: int = ...,
    noise: float | None = ...,
    scale: RatingScale | tuple[float, float] = ...,
    step: float | None = ...,
    popularity: float = ...,
    activity: float = ...,
    seed: int = ...,
    return_truth: Literal[True],
) -> tuple[Ratings, Truth]: ...
def make_ratings(
    users: int,
    items: int,
    ratings: int,
    *,
    factors: int = 8,
    noise: float | None = None,
    scale: RatingScale | tuple[float, float] = (1, 5),
    step: float | None = None,
    popularity: float = 0.6,
    activity: float = 0.5,
    seed: int = 0,
    return_truth: bool = False,
) -> Ratings | tuple[Ratings, Truth]:
    r"""Draw a table of ratings from a known model.

    .. math::

        r_{ui} = \mathrm{clip}(\mu + b_u + b_i + p_u \cdot q_i + \varepsilon_{ui}), \qquad
        \varepsilon_{ui} \sim N(0, \sigma^2)

    On a scale of width w, :math:`\mu` lies at 0.6 w, the biases have a standard deviation of 0.08 w each and
    :math:`p_u \cdot q_i` one of 0.12 w. The user of rank k in activity (from 0) has a number of ratings in proportion
    to :math:`(k + 1)^{-activity}`, but at least 1 and at most one for each item. Items are drawn without replacement
    with weights :math:`(k + 1)^{-popularity}`. Ranks have nothing to do with ids. An item that was never drawn
    keeps its place in the vocabulary: `Ratings.compact` removes it.

    Memory: the table, 12 bytes a rating, and some rows for each user and item. The result depends on the arguments
    alone, not on the number of cores.

    Parameters
    ----------
    users, items, ratings
        Size of the table. Ids are the integers that start at 1.
    factors
        Columns of the true factors; 0 for biases alone.
    noise
        Standard deviation of the noise, in units of the rating; by default 0.18 w.
    scale
        The least and the greatest rating.
    step
        Round to low, low + step, low + 2 step...: 1 for stars. By default ratings are continuous.
    popularity, activity
        Exponents of the power laws; 0 for none.
    seed
        Of all random draws.
    return_truth
        Return the parameters as well.

    Returns
    -------
    Ratings
        Sorted by user, then item, without duplicates.
    Truth
        If `return_truth`.

    Raises
    ------
    SettingsError
        If no such table exists.

    Examples
    --------
    >>> make_ratings(100, 50, 1_000, step=1)
    Ratings(1,000 ratings, 100 users, 50 items)
    """
    from palate.kernels.synthetic import draw_ratings

    scale = scale if isinstance(scale, RatingScale) else RatingScale(*scale)
    noise = 0.18 * scale.width if noise is None else noise
    _check(users, items, ratings, factors, noise, step)
    rng = np.random.default_rng(seed)
    truth = _draw_truth(users, items, factors, noise, scale, rng)
    start = np.concatenate(([0], np.cumsum(_degrees(users, items, ratings, activity, rng))))
    item = _draw_items(start, items, popularity, rng)
    user = np.repeat(np.arange(users, dtype=np.int32), np.diff(start))
    rating = np.empty(ratings, dtype=np.float32)
    key = _key(rng)

    def fill(first: int) -> None:
        stop = min(first + _PART, ratings)
        draw_ratings(
            first, stop, key, user, item, truth.user_bias, truth.item_bias, truth.user_factors, truth.item_factors,
            truth.mean, truth.noise, rating,
        )  # fmt: skip
        _onto_scale(rating[first:stop], scale, step)

    with pool() as run:
        run(fill, range(0, ratings, _PART))
    note = f"generated: make_ratings({users}, {items}, {ratings}, seed={seed}), nobody gave these ratings"
    ids = Vocabulary(np.arange(1, users + 1), "user"), Vocabulary(np.arange(1, items + 1), "item")
    table = Ratings(*ids, user, item, rating, scale, (note,))
    return (table, truth) if return_truth else table


def _check(users: int, items: int, ratings: int, factors: int, noise: float, step: float | None) -> None:
    if users < 1 or items < 1 or max(users, items) >= 2**31:
        raise SettingsError(f"users and items must be from 1 to 2,147,483,647, not {users:,} and {items:,}")
    if not users <= ratings <= users * items:
        raise SettingsError(
            f"{users:,} users and {items:,} items can have {users:,} to {users * items:,} ratings, not {ratings:,}"
        )
    if factors < 0 or not noise >= 0 or (step is not None and not step > 0):
        raise SettingsError(
            f"factors and noise must not be negative and step must be positive: {factors}, {noise}, {step}"
        )


def _draw_truth(
    users: int, items: int, factors: int, noise: float, scale: RatingScale, rng: np.random.Generator
) -> Truth:
    bias = np.float32(0.08 * scale.width)
    spread = np.float32(np.sqrt(0.12 * scale.width / np.sqrt(max(factors, 1))))
    return Truth(
        scale.low + 0.6 * scale.width,
        bias * rng.standard_normal(users, dtype=np.float32),
        bias * rng.standard_normal(items, dtype=np.float32),
        spread * rng.standard_normal((users, factors), dtype=np.float32),
        spread * rng.standard_normal((items, factors), dtype=np.float32),
        noise,
    )


def _key(rng: np.random.Generator) -> np.uint64:
    return np.uint64(rng.integers(2**63))


def _degrees(users: int, items: int, ratings: int, exponent: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the number of ratings of each user: a power law between 1 and items that sums to ratings."""
    share = _power_law(users, exponent, rng)
    low, high = 0.0, float(items) / share.min()
    for _ in range(100):
        middle = (low + high) / 2
        if np.clip(middle * share, 1, items).sum() <= ratings:
            low = middle
        else:
            high = middle
    exact = np.clip(low * share, 1, items)
    degrees = exact.astype(np.int64)
    missing = ratings - int(degrees.sum())
    if missing:
        degrees[np.argpartition(degrees - exact, missing - 1)[:missing]] += 1
    return degrees


def _power_law(count: int, exponent: float, rng: np.random.Generator) -> NDArray[np.float64]:
    weight = (1.0 + rng.permutation(count)) ** -exponent
    return weight / weight.sum()  # type: ignore[no-any-return]


def _draw_items(start: NDArray[np.int64], items: int, exponent: float, rng: np.random.Generator) -> NDArray[np.int32]:
    from palate.kernels.synthetic import alias_table, draw_items

    weight = _power_law(items, exponent, rng)
    keep, alias = alias_table(weight)
    # About this many distinct items come up in 2 * items draws with replacement. Up to here it is cheaper to draw again
    # when an item comes twice than to let all items race.
    easy = int(-np.expm1(-2 * items * weight).sum())
    key, item = _key(rng), np.empty(start[-1], dtype=np.int32)
    # Users in parts of about equal numbers of ratings.
    edges = np.unique(np.searchsorted(start, [*range(0, start[-1], _PART), start[-1]])).tolist()
    with pool() as run:
        run(lambda part: draw_items(*part, key, start, weight, keep, alias, easy, item), pairwise(edges))
    return item


def _onto_scale(values: NDArray[np.float32], scale: RatingScale, step: float | None) -> None:
    """Clip in place, after rounding to whole steps from the low end."""
    if step is not None:
        values -= scale.low
        np.rint(values / step, out=values)
        values *= step
        values += scale.low
    np.clip(values, scale.low, scale.high, out=values)


_LAYOUTS: dict[str, dict[str, Any]] = {
    ".csv": {"separator": ",", "include_header": True},
    ".tsv": {"separator": "\t", "include_header": True},
    ".dat": {"separator": "\t", "include_header": False},
}


def write_ratings(ratings: Ratings, path: Path | str) -> None:
    """Write a table to a file. The suffix of the path determines the layout.

    `.csv` and `.tsv` have the header `user, item, rating`, `.dat` is the layout of Jester (two tabs, no header) and
    `.parquet` has three columns. The file appears complete or not at all.

    Raises
    ------
    SettingsError
        If the suffix is none of these.
    StorageError
        If the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (*_LAYOUTS, ".parquet"):
        raise SettingsError(f"{path}: ratings can be written as .csv, .tsv, .dat or .parquet")
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            _frame(ratings).write_parquet(temporary)
        else:
            with temporary.open("wb") as file:
                _write_text(ratings, file, **_LAYOUTS[path.suffix])


def _write_text(ratings: Ratings, file: IO[bytes], *, separator: str, include_header: bool) -> None:
    for first in range(0, max(1, len(ratings)), 4 * _PART):
        frame = _frame(ratings.take(np.arange(first, min(first + 4 * _PART, len(ratings)))))
        if not include_header:  # an empty column between two tabs
            frame = frame.select("user", pl.lit(None).alias("_"), "item", pl.lit(None).alias("__"), "rating")
        frame.write_csv(file, separator=separator, include_header=include_header and not first)


def _frame(ratings: Ratings) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user": pl.Series(ratings.users.ids)[ratings.user],
            "item": pl.Series(ratings.items.ids)[ratings.item],
            "rating": ratings.rating,
        }
    )
