"""Slow, obvious twins of what the kernels and solvers do."""

from __future__ import annotations

import numpy as np


def descend(rows, p, q, user_bias, item_bias, rate, keep, biased):
    """Steps of SGD in float64; rows are (user, item, rating). Changes its arguments, returns the squared errors' sum."""
    squares = 0.0
    for u, i, r in rows:
        error = r - user_bias[u] - item_bias[i] - p[u] @ q[i]
        squares += error**2
        if biased:
            user_bias[u] = keep * user_bias[u] + rate * error
            item_bias[i] = keep * item_bias[i] + rate * error
        p[u], q[i] = keep * p[u] + rate * error * q[i], keep * q[i] + rate * error * p[u]
    return squares


def descend_in_batches(rows, batch, p, q, user_bias, item_bias, rate, keep, biased):
    squares = 0.0
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        moves = [np.zeros_like(array) for array in (p, q, user_bias, item_bias)]
        for u, i, r in part:
            error = r - user_bias[u] - item_bias[i] - p[u] @ q[i]
            squares += error**2
            moves[0][u] += rate * error * q[i] - (1 - keep) * p[u]
            moves[1][i] += rate * error * p[u] - (1 - keep) * q[i]
            if biased:
                moves[2][u] += rate * error - (1 - keep) * user_bias[u]
                moves[3][i] += rate * error - (1 - keep) * item_bias[i]
        for array, move in zip((p, q, user_bias, item_bias), moves, strict=True):
            array += move / len(part)
    return squares


def squared_error(rows, p, q, user_bias, item_bias, low, high):
    predictions = [np.clip(user_bias[u] + item_bias[i] + p[u] @ q[i], low, high) for u, i, _ in rows]
    return sum((r - prediction) ** 2 for (_, _, r), prediction in zip(rows, predictions, strict=True))


def best(scores, allowed, n, lowest):
    ranked = sorted(
        (i for i in range(len(scores)) if allowed[i]), key=lambda i: (scores[i] if lowest else -scores[i], i)
    )
    return ranked[:n]


def solve_row(ratings, other, offset, weights, precision, linear):
    """The mean and covariance of one row; ratings are (index, value)."""
    gram, right = precision.astype(float), linear.astype(float)
    for (i, value), weight in zip(ratings, weights, strict=True):
        x = other[i].astype(float)
        gram = gram + weight * np.outer(x, x)
        right = right + weight * (value - offset[i]) * x
    return np.linalg.solve(gram, right), np.linalg.inv(gram)
