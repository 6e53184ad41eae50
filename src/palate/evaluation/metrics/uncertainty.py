"""How honest a model is about how sure it is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from palate.evaluation.metrics.judged import Judged
from palate.evaluation.metrics.metric import Metric
from palate.ratings import RatingScale

__all__ = ["LEVELS", "UNCERTAINTY", "coverage", "log_likelihood"]

Values = NDArray[np.floating]

#: The intervals that are judged, as shares of the ratings that should lie in them.
LEVELS = (0.5, 0.8, 0.9, 0.95)


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
    if not len(rating):
        return float("nan")
    center, spread = np.asarray(prediction, np.float64), np.asarray(deviation, np.float64)
    density = -0.5 * np.log(2 * np.pi * spread**2) - 0.5 * np.square((rating - center) / spread)
    if scale is not None and scale.width:
        low, high = min(scale.low, float(rating.min())), max(scale.high, float(rating.max()))
        density -= _log_mass((low - center) / spread, (high - center) / spread)
    return float(density.mean())


def _log_mass(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of how much of a standard normal distribution lies between two points."""
    from scipy.special import log_ndtr

    # In the lower tail, where the logarithm of a tiny mass is exact.
    above = low > 0
    low, high = np.where(above, -high, low), np.where(above, -low, high)
    below_high = log_ndtr(high)
    return np.asarray(below_high + np.log1p(-np.exp(log_ndtr(low) - below_high)))


def coverage(rating: Values, low: Values, high: Values) -> float:
    """Share of the ratings that lie in their interval, ends included; an honest 90% interval has 0.9. NaN without rows.

    Examples
    --------
    >>> coverage(np.array([1, 5]), np.array([1, 1]), np.array([2, 4]))
    0.5
    """
    return float(((low <= rating) & (rating <= high)).mean()) if len(rating) else float("nan")


def _covered(level: float) -> Callable[[Judged], float]:
    return lambda judged: coverage(judged.rating, *judged.interval(level))


UNCERTAINTY = (
    Metric(
        "log_likelihood",
        "log-likelihood",
        lambda judged: log_likelihood(judged.rating, judged.prediction, judged.deviation, judged.scale),
        higher_is_better=True,
        needs=("prediction", "deviation"),
        meaning="the mean log density of the ratings, higher is better",
    ),
    *(
        Metric(
            f"coverage_{level * 100:.0f}",
            f"in {level:.0%}",
            _covered(level),
            higher_is_better=None,
            needs=("prediction", "deviation"),
            meaning="the share of the ratings that lie in their intervals of 90%" if level == 0.9 else "",
            form=".1%",
        )
        for level in LEVELS
    ),
)
