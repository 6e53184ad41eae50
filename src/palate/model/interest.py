"""Interest: how likely a user chooses an item and likes it, which is what lists are ranked by."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.model.chance_math import choosing, liking, powers

__all__ = ["ChanceCalibration", "Interest", "chance_of_liking", "like_boundary"]

Floats = NDArray[np.float32]


class ChanceCalibration(NamedTuple):
    r"""How the scores of a choice head become chances: a logistic regression on choices that were held out.

    The chance is that of a next choice. Let a table grow by one choice for every nine that it has, and let the new
    choices be like those before: the chance of a pair that was not chosen is the probability that it is one of the new
    ones. If the table grows by another share, chances are larger or smaller in proportion. The chance that user u
    chooses item i is

    .. math:: \min(1, \exp(a + b \log(s_{ui}^+ + f) + e s_{ui}^+ + c \log(n_i + 1) + d \log(n_u + 1))),

    with the score :math:`s^+`, raised to zero where it is below, and the numbers n of training ratings. See
    `palate.solvers.choice_calibration` for why this is no logistic function.

    Attributes
    ----------
    intercept, score, item_count, user_count
        a, b, c and d.
    floor
        f: a twentieth of the usual score of a choice, so that the logarithm of a score of zero is finite.
    slope
        e, which lets chances rise faster than any power of the score. 0 or more.
    """

    intercept: float
    score: float
    item_count: float
    user_count: float
    floor: float = 1e-3
    slope: float = 0.0

    def features(self, scores: Any, item_counts: Any, user_counts: Any) -> list[Any]:
        """Return what b, c, d and e are multiplied by, each in the shape of its argument."""
        positive = np.maximum(scores, np.float32(0))
        logarithms = [
            np.log(column) for column in (positive + np.float32(self.floor), item_counts + 1.0, user_counts + 1.0)
        ]
        return [*logarithms, positive]

    def chances(
        self, scores: Floats, item_counts: Any, user_counts: Any, activity: Any = 0.0, trends: Floats | None = None
    ) -> Floats:
        """Return the chance of each choice: float32, in the shape of the scores.

        Parameters
        ----------
        scores
            Of the choice head: float32, (users, items) or (items,).
        item_counts, user_counts
            Numbers of training ratings: (items,), and (users,) or one number.
        activity, trends
            Are multiplied and added to the logarithm: (users,) or one number, and float32 (items,) or None.

        Examples
        --------
        >>> ChanceCalibration(0.0, 1.0, 0.0, 0.0, floor=0.0).chances(np.float32([0.5, 2]), np.array([10, 10]), 10)
        array([0.5, 1. ], dtype=float32)
        """
        terms = (self.item_count * np.log(np.asarray(item_counts) + 1.0)).astype(np.float32)
        constant = self.intercept + self.user_count * np.log(np.asarray(user_counts) + 1.0)
        return choosing(scores, (self.floor, self.score, self.slope), terms, constant, activity, trends)


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
        What the logarithm of a choice's chance moves by, times the item's trend and the user's activity
        (`palate.model.trend`); 0 without times, or where they say nothing about lists.
    half_life
        Of the trends, in seconds.
    """

    calibration: ChanceCalibration
    power: float
    boundary: float
    deviation: float = 1.0
    trend: float = 0.0
    half_life: float = 1.0

    def scores(self, chances: Floats, predictions: Floats, variance: Any) -> Floats:
        """Return the interest in items: float32, of the shape of the chances, with the variance of ratings."""
        if not self.power:
            return chances
        return chances * powers(chance_of_liking(predictions, variance, self.boundary), self.power)


def chance_of_liking(predictions: Any, variance: Any, boundary: float) -> Floats:
    r"""Return :math:`\Phi((\hat r - t) / \sigma)`: how likely a rating is above t, by its prediction and variance.

    Examples
    --------
    >>> round(float(chance_of_liking(3.5, 1.0, 3.5)), 6)
    0.5
    """
    return liking(predictions, variance, boundary)


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
