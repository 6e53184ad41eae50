"""Errors of predicted ratings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.evaluation.metrics.metric import Metric
from palate.ratings import RatingScale

__all__ = ["ERRORS", "mae", "nmae", "rmse"]

Values = NDArray[np.floating]


def rmse(rating: Values, prediction: Values) -> float:
    r"""Root mean squared error, :math:`\sqrt{\tfrac1n \sum (r - \hat r)^2}`, in rating points.

    All rows count alike: it is not a mean over users. NaN without rows.

    Examples
    --------
    >>> rmse(np.array([1.0, 5.0]), np.array([2.0, 5.0]))
    0.7071067811865476
    """
    return float(np.sqrt(_mean(np.square(_differences(rating, prediction)))))


def mae(rating: Values, prediction: Values) -> float:
    r"""Mean absolute error, :math:`\tfrac1n \sum |r - \hat r|`, in rating points. NaN without rows."""
    return _mean(np.abs(_differences(rating, prediction)))


def nmae(rating: Values, prediction: Values, scale: RatingScale) -> float:
    """Mean absolute error divided by the width of the scale (Goldberg et al. 2001); NaN if the scale is a point."""
    return mae(rating, prediction) / scale.width if scale.width else float("nan")


def _differences(rating: Values, prediction: Values) -> NDArray[np.float64]:
    return np.asarray(rating, np.float64) - prediction


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


ERRORS = (
    Metric(
        "rmse",
        "RMSE",
        lambda judged: rmse(judged.rating, judged.prediction),
        higher_is_better=False,
        meaning="the root of the mean squared error, lower is better",
        power=2,
    ),
    Metric(
        "mae",
        "MAE",
        lambda judged: mae(judged.rating, judged.prediction),
        higher_is_better=False,
        meaning="the mean absolute error",
    ),
    Metric(
        "nmae",
        "NMAE",
        lambda judged: nmae(judged.rating, judged.prediction, judged.scale),
        higher_is_better=False,
        meaning="the MAE divided by the width of the rating scale",
    ),
)
