"""Scores of a choice head become chances: a logistic regression on held-out choices."""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

from palate.model.choice import ChoiceHead
from palate.model.interest import ChanceCalibration
from palate.model.trend import Trends
from palate.parallel import single_blas
from palate.solvers.held_out_lists import HeldOutLists

__all__ = ["calibrate", "logistic"]

Doubles = NDArray[np.float64]

# The chances are learnt from users with this number of pairs, of which so many are taken beside the choices.
_CALIBRATION_CELLS, _OTHER_PAIRS = 5_000_000, 200_000
_NEWTON_STEPS, _STILL = 50, 1e-8


def calibrate(
    head: ChoiceHead, lists: HeldOutLists, trends: Trends | None = None, power: float = 0.0
) -> ChanceCalibration:
    """Fit the logistic regression of held-out choices on scores and counts.

    All choices of some users and a random part of the other pairs are taken; the intercept is corrected for the part.
    Where trends count, their power times an item's trend and a user's activity is a part of the log odds.
    """
    train, rng = lists.train, np.random.default_rng([lists.seed, 5])
    number = min(len(train.users), max(100, _CALIBRATION_CELLS // len(train.items)))
    users = np.sort(rng.permutation(len(train.users))[:number].astype(np.int32))
    is_chosen = np.zeros((number, len(train.items)), bool)
    is_open = np.broadcast_to(train.item_counts > 0, is_chosen.shape).copy()
    for place, user in enumerate(users.tolist()):
        is_open[place, train.by_user[user][0]] = False
        is_chosen[place, lists.held_out.by_user[user][0]] = True
    part = min(1.0, _OTHER_PAIRS / is_open.size)
    row, item = np.nonzero(is_open & (is_chosen | (rng.random(is_open.shape, np.float32) < part)))
    scores = head.user_scores(users, train.by_user)[row, item]
    features = ChanceCalibration(0, 0, 0, 0).features(scores, train.item_counts[item], train.user_counts[users[row]])
    design = np.column_stack([np.ones(len(row)), *features]).astype(np.float64)
    offset = 0.0 if trends is None else power * trends.users[users[row]].astype(np.float64) * trends.items[item]
    with single_blas():
        weights = logistic(design, is_chosen[row, item].astype(np.float64), offset).tolist()
    return ChanceCalibration(weights[0] + log(part), *weights[1:])


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
