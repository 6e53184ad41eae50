"""Alternating least squares on dense arrays, in a few lines: what a factorization can learn of a small table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.ratings import Ratings


def factorize(ratings: Ratings, factors: int, penalty: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Alternating least squares on dense arrays: predictions (users, items) and item factors (items, k)."""
    mask, values = np.zeros((2, len(ratings.users), len(ratings.items)))
    mask[ratings.user, ratings.item] = 1
    values[ratings.user, ratings.item] = ratings.rating - ratings.rating.mean()
    rng = np.random.default_rng(0)
    users, items = (rng.normal(0, 0.1, (count, factors)) for count in mask.shape)
    item_bias = np.zeros(mask.shape[1])
    for _ in range(12):
        user_bias, users = half_sweep(mask, values - mask * item_bias, items, penalty)
        item_bias, items = half_sweep(mask.T, values.T - mask.T * user_bias, users, penalty)
    predictions = ratings.rating.mean() + user_bias[:, None] + item_bias + users @ items.T
    return ratings.scale.clip(predictions), items


def half_sweep(
    mask: NDArray[np.float64], values: NDArray[np.float64], others: NDArray[np.float64], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = np.column_stack([np.ones(len(others)), others])
    gram = np.einsum("ui,ik,il->ukl", mask, x, x, optimize=True) + penalty * np.eye(x.shape[1])
    found = np.linalg.solve(gram, (values @ x)[:, :, None])[:, :, 0]
    return found[:, 0], found[:, 1:]


def rmse(predictions: NDArray[np.float64], test: Ratings) -> float:
    return float(np.sqrt(np.mean((predictions[test.user, test.item] - test.rating) ** 2)))
