"""Measures of error: pure functions of arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from palate.ratings import RatingScale

__all__ = ["METRICS", "mae", "nmae", "rmse"]

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


def _errors(rating: Values, prediction: Values) -> NDArray[np.float64]:
    return np.asarray(rating, np.float64) - prediction


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


METRICS: dict[str, Metric] = {"rmse": rmse, "mae": mae, "nmae": nmae}
