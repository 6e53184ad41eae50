"""Interest: how likely a user chooses an item and likes it, which is what lists are ranked by."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ChanceCalibration", "Interest", "chance_of_liking", "like_boundary"]

Floats = NDArray[np.float32]

# The complementary error function to a share of 1.2e-7 (Press et al. 1992, "Numerical recipes in C", section 6.2), as
# serving a model does not load SciPy.
_ERFC = (
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223,
    0.17087277,
)  # fmt: skip
# Log odds below this would overflow on their way to a chance of zero.
_FAR = 80.0


class ChanceCalibration(NamedTuple):
    r"""A logistic regression that turns the scores of a choice head into chances.

    The log odds that user u chooses item i next are
    :math:`a + b \log \max(s_{ui}, f) + c \log(n_i + 1) + d \log(n_u + 1)`, with the score s and the numbers of training
    ratings n. A next choice is one of the pairs that were held out to fit this: a tenth of the table.

    Attributes
    ----------
    intercept, score, item_count, user_count
        a, b, c and d.
    floor
        f: lower scores are raised to it.
    """

    intercept: float
    score: float
    item_count: float
    user_count: float
    floor: float = 1e-3

    def features(self, scores: Any, item_counts: Any, user_counts: Any) -> list[Any]:
        """Return the three logarithms, each in the shape of its argument."""
        columns = (np.maximum(scores, np.float32(self.floor)), item_counts + 1.0, user_counts + 1.0)
        return [np.log(column) for column in columns]

    def chances(self, scores: Any, item_counts: Any, user_counts: Any, shift: Any = 0.0) -> Floats:
        """Return the chance of each choice: float32, in the broadcast shape. The shift is added to the log odds.

        Examples
        --------
        >>> float(ChanceCalibration(0.0, 1.0, 0.0, 0.0).chances(1.0, 10, 10))
        0.5
        """
        log_odds = np.asarray(self.intercept, np.float64)
        for weight, column in zip(self[1:4], self.features(scores, item_counts, user_counts), strict=True):
            log_odds = log_odds + weight * column
        log_odds = log_odds + shift
        return np.asarray(1 / (1 + np.exp(-np.maximum(log_odds, -_FAR))), np.float32)


class Interest(NamedTuple):
    r"""How chances of choosing and of liking are combined: :math:`P(\text{choose}) \, P(\text{like})^w`.

    With the power w = 1 and both independent, this is the probability that the user chooses the item and likes it.

    Attributes
    ----------
    calibration
        Turns scores of the choice head into chances.
    power
        w; 0 if predicted ratings say nothing about lists.
    boundary
        The rating above which an item is liked: see `like_boundary`.
    deviation
        The deviation of ratings around predictions, in rating points, for models that do not estimate it.
    trend
        What the log odds of a choice move by, times the item's trend and the user's activity (`palate.model.trend`);
        0 without times, or where they say nothing about lists.
    half_life
        Of the trends, in seconds.
    """

    calibration: ChanceCalibration
    power: float
    boundary: float
    deviation: float = 1.0
    trend: float = 0.0
    half_life: float = 1.0

    def scores(self, chances: Floats, predictions: Any, deviations: Any) -> Floats:
        """Return the interest in each item: float32, of the shape of the chances."""
        if not self.power:
            return chances
        liking = chance_of_liking(predictions, deviations, self.boundary)
        return np.asarray(chances * liking**self.power, np.float32)


def chance_of_liking(predictions: Any, deviations: Any, boundary: float) -> NDArray[np.float64]:
    r"""Return :math:`\Phi((\hat r - t) / \sigma)`: how likely a rating is above t, by its prediction and deviation.

    Examples
    --------
    >>> round(float(chance_of_liking(3.5, 1.0, 3.5)), 6)
    0.5
    """
    x = (np.asarray(predictions, np.float64) - boundary) / (np.sqrt(2) * np.asarray(deviations, np.float64))
    t = 1 / (1 + np.abs(x) / 2)
    series = np.full_like(t, _ERFC[-1])
    for coefficient in _ERFC[-2::-1]:
        series *= t
        series += coefficient
    tail = t * np.exp(series - x * x) / 2
    return np.asarray(np.where(x < 0, tail, 1 - tail))


def like_boundary(ratings: Floats, liked: float) -> float:
    """Return the middle between the lowest rating that is liked and the highest that is not.

    Parameters
    ----------
    ratings
        float32, (n,): those of the training table.
    liked
        The rating from which an item is liked.

    Examples
    --------
    >>> like_boundary(np.array([1, 3, 4, 5], np.float32), 4)
    3.5
    """
    is_liked = ratings >= np.float32(liked)
    if is_liked.all() or not is_liked.any():
        return float(liked)
    return (float(ratings[is_liked].min()) + float(ratings[~is_liked].max())) / 2
