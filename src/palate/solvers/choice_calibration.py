r"""Scores of a choice head become chances: a logistic regression on held-out choices.

Let p be the probability that a pair is in the table. A share h of the table is held out. A pair that is not in the
training part is held out with the probability :math:`hp / (1 - (1 - h)p)`, whose odds are :math:`hp / (1 - p)`. What
is asked for is the chance of a next choice, while the table grows by h/(1 - h) of its size: a pair is in the larger
table with the probability :math:`p' = p / (1 - h)`, so the chance is :math:`(p' - p) / (1 - p) = \tfrac{1}{1 - h}
\tfrac{hp}{1 - p}`, the odds of the regression divided by 1 - h. The rows of the regression that are chosen, and those
that are not, are both linear in p on average, so this holds where p differs among pairs of equal scores.
"""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

from palate.model.choice import ChoiceHead
from palate.model.interest import ChanceCalibration
from palate.model.trend import Trends
from palate.parallel import single_blas
from palate.ratings import Ratings
from palate.solvers.held_out_lists import HeldOutLists

__all__ = ["calibrate", "logistic", "recalibrate"]

Doubles = NDArray[np.float64]
Indices = NDArray[np.int32]

# The chances are learnt from users with this number of pairs, of which so many are taken beside the choices.
_CALIBRATION_CELLS, _OTHER_PAIRS = 5_000_000, 200_000
# Scores of the fit on all ratings are compared with those of the search on this number of pairs.
_COMPARED_CELLS = 1_000_000
# The floor of scores, as a part of the median score of held-out choices.
_FLOOR, _LEAST_FLOOR = 1 / 20, 1e-6
_NEWTON_STEPS, _STILL = 50, 1e-8
# Columns of the design.
_SCORE, _ITEM_COUNT, _SLOPE = 1, 2, 4


def calibrate(
    head: ChoiceHead, lists: HeldOutLists, trends: Trends | None = None, power: float = 0.0
) -> ChanceCalibration:
    """Fit the logistic regression of held-out choices on scores and counts.

    All choices of some users and a random part of the other pairs are taken; the intercept is corrected for the part.
    Where trends count, their power times an item's trend and a user's activity is a part of the log odds.
    """
    train, rng = lists.train, np.random.default_rng([lists.seed, 5])
    users = _some_users(rng, train, _CALIBRATION_CELLS)
    is_open, is_chosen = _is_open(train, users), _is_in(lists.held_out, users)
    part = min(1.0, _OTHER_PAIRS / is_open.size)
    row, item = np.nonzero(is_open & (is_chosen | (rng.random(is_open.shape, np.float32) < part)))
    scores, target = head.user_scores(users, train.by_user)[row, item], is_chosen[row, item].astype(np.float64)
    floor = max(_LEAST_FLOOR, _FLOOR * float(np.median(scores[target > 0]))) if target.any() else _LEAST_FLOOR
    form = ChanceCalibration(0, 0, 0, 0, floor)
    features = form.features(scores, train.item_counts[item], train.user_counts[users[row]])
    design = np.column_stack([np.ones(len(row)), *features]).astype(np.float64)
    offset = 0.0 if trends is None else power * trends.users[users[row]].astype(np.float64) * trends.items[item]
    with single_blas():
        weights = logistic(design, target, offset)
        if weights[_ITEM_COUNT] < 0 and not (train.item_counts + lists.held_out.item_counts).all():
            # No pair is of an item without ratings. A chance that falls with their number would be greatest there.
            design[:, _ITEM_COUNT] = 0
            weights = logistic(design, target, offset)
        if weights[_SLOPE] < 0 or weights[_SCORE] < 0:
            # Chances rise with scores. The slope adds little where logarithms of scores and counts are alike.
            weights = np.append(logistic(design[:, :_SLOPE], target, offset), 0.0)
    intercept, score, item_count, user_count, slope = weights.tolist()
    share = len(lists.held_out) / max(1, len(train) + len(lists.held_out))
    return ChanceCalibration(intercept + log(part) - log(1 - share), score, item_count, user_count, floor, slope)


def recalibrate(
    calibration: ChanceCalibration, pilot: ChoiceHead, lists: HeldOutLists, head: ChoiceHead, ratings: Ratings
) -> ChanceCalibration:
    """Correct the intercept for a head that has learned from all ratings, not from the training part alone.

    Its scores are higher, most of them in proportion to the ratings. Over pairs in neither part, the chances of both
    heads shall be the same: in the mean of their logarithms, where pairs count by the square of their chance.
    """
    rng = np.random.default_rng([lists.seed, 6])
    users = _some_users(rng, ratings, _COMPARED_CELLS)
    is_open = _is_open(lists.train, users) & ~_is_in(lists.held_out, users)
    before, after = (
        calibration.chances(each.user_scores(users, table.by_user), table.item_counts, table.user_counts[users])[
            is_open
        ]
        for each, table in ((pilot, lists.train), (head, ratings))
    )
    weights = np.square(before, dtype=np.float64)
    if not weights.sum() > 0:
        return calibration
    shift = np.average(np.log(np.maximum(after, 1e-30) / np.maximum(before, 1e-30)), weights=weights)
    return calibration._replace(intercept=calibration.intercept - float(shift))


def _some_users(rng: np.random.Generator, table: Ratings, cells: int) -> Indices:
    number = min(len(table.users), max(100, cells // len(table.items)))
    return np.sort(rng.permutation(len(table.users))[:number].astype(np.int32))


def _is_in(table: Ratings, users: Indices) -> NDArray[np.bool_]:
    """Say which pairs of these users and all items are rated: bool, (users, items)."""
    is_in = np.zeros((len(users), len(table.items)), bool)
    for place, user in enumerate(users.tolist()):
        is_in[place, table.by_user[user][0]] = True
    return is_in


def _is_open(train: Ratings, users: Indices) -> NDArray[np.bool_]:
    """Say which pairs can be chosen: those that are not rated, of items that somebody rated."""
    return ~_is_in(train, users) & (train.item_counts > 0)


def logistic(design: Doubles, target: Doubles, offset: Doubles | float = 0.0) -> Doubles:
    """Return the weights of a logistic regression, by Newton's method with a slight pull towards zero.

    The offset is a part of the log odds that is given. A step that would lower the likelihood is halved until it raises
    it.
    """
    from scipy.special import expit

    weights, pull = np.zeros(design.shape[1]), 1e-3
    weights[0] = log((target.sum() + 0.5) / (len(target) - target.sum() + 0.5))

    def objective(weights: Doubles) -> float:
        log_odds = design @ weights + offset
        return float(target @ log_odds - np.logaddexp(0, log_odds).sum() - pull / 2 * weights @ weights)

    reached = objective(weights)
    for _ in range(_NEWTON_STEPS):
        chances = expit(design @ weights + offset)
        slope = design.T @ (target - chances) - pull * weights
        curvature = (design.T * (chances * (1 - chances))) @ design + pull * np.eye(len(weights))
        step = np.linalg.solve(curvature, slope)
        while (value := objective(weights + step)) < reached and np.abs(step).max() > _STILL:
            step /= 2
        if value < reached:
            break
        weights, reached = weights + step, value
        if np.abs(step).max() <= _STILL:
            break
    return weights
