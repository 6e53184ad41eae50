"""Measures of error: pure functions of arrays."""

from __future__ import annotations

from collections.abc import Callable
from math import erf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.ratings import RatingScale

__all__ = ["LEVELS", "METRICS", "coverage", "log_likelihood", "mae", "nmae", "rmse"]

Values = NDArray[np.float32]
Metric = Callable[[Values, Values, RatingScale], float]


def rmse(rating: Values, prediction: Values, scale: RatingScale) -> float:
    r"""Root mean squared error, :math:`\sqrt{\tfrac1n \sum (r - \hat r)^2}`.

    All rows count alike: it is not a mean over users. NaN without rows.

    Examples
    --------
    >>> rmse(np.array([1, 5]), np.array([2, 5]), RatingScale(1, 5))
    0.7071067811865476
    """
    return float(np.sqrt(_mean(np.square(_errors(rating, prediction)))))


def mae(rating: Values, prediction: Values, scale: RatingScale) -> float:
    r"""Mean absolute error, :math:`\tfrac1n \sum |r - \hat r|`, over all rows alike. NaN without rows."""
    return _mean(np.abs(_errors(rating, prediction)))


def nmae(rating: Values, prediction: Values, scale: RatingScale) -> float:
    """Mean absolute error divided by the width of the scale (Goldberg et al. 2001); NaN if the scale is a point."""
    return mae(rating, prediction, scale) / scale.width if scale.width else float("nan")


def log_likelihood(rating: Values, prediction: Values, deviation: Values, scale: RatingScale | None = None) -> float:
    r"""Mean log density of the ratings under normal distributions, kept to the rating scale where there is one.

    .. math:: -\tfrac1n \sum \left[ \tfrac12 \ln 2\pi\sigma^2 + \frac{(r - \hat r)^2}{2\sigma^2} + \ln m \right],
              \quad m = \Phi\left(\frac{h - \hat r}{\sigma}\right) - \Phi\left(\frac{l - \hat r}{\sigma}\right)

    with l and h the ends of the scale: no rating lies outside, so no part of the density does. In nats, on the rating
    scale: figures of two scales are not comparable. NaN without rows.

    Parameters
    ----------
    rating, prediction, deviation
        (n,): the deviations are the predictive standard deviations before the scale is taken into account, above 0.
    scale
        Widened to hold all of the ratings; None for the whole normal distribution.

    Examples
    --------
    >>> rating, prediction, deviation = np.array([1, 5]), np.array([2, 5]), np.array([1, 1])
    >>> round(log_likelihood(rating, prediction, deviation), 4)
    -1.1689
    >>> round(log_likelihood(rating, prediction, deviation, RatingScale(1, 5)), 4)
    -0.7352
    """
    spread = np.asarray(deviation, np.float64)
    found = -0.5 * np.log(2 * np.pi * spread**2) - 0.5 * np.square(_errors(rating, prediction) / spread)
    if scale is not None and scale.width and len(rating):
        low, high = min(scale.low, float(rating.min())), max(scale.high, float(rating.max()))
        found = found - np.log(_below(high - prediction, spread) - _below(low - prediction, spread))
    return _mean(found)


def _below(away: NDArray[Any], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much of a normal distribution lies less than so far above its mean."""
    return 0.5 + 0.5 * np.asarray(np.frompyfunc(erf, 1, 1)(away / (spread * sqrt(2))), np.float64)


def coverage(rating: Values, low: Values, high: Values) -> float:
    """Share of the ratings that lie in their interval, ends included; an honest 90% interval has 0.9. NaN without rows.

    Examples
    --------
    >>> coverage(np.array([1, 5]), np.array([1, 1]), np.array([2, 4]))
    0.5
    """
    return _mean(((low <= rating) & (rating <= high)).astype(np.float64))


def _errors(rating: Values, prediction: Values) -> NDArray[np.float64]:
    return np.asarray(rating, np.float64) - prediction


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


# Those that need no more than a prediction.
METRICS: dict[str, Metric] = {"rmse": rmse, "mae": mae, "nmae": nmae}
# The intervals that are judged, as shares of the ratings that should lie in them.
LEVELS = (0.5, 0.8, 0.9, 0.95)
