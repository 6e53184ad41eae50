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


def als_objective(rows, users, items, penalty, weighted):
    """The objective of ALS; rows are (user, item, scaled rating), each side's last column is the bias."""
    total = 0.0
    for u, i, r in rows:
        total += (r - users[u, :-1] @ items[i, :-1] - users[u, -1] - items[i, -1]) ** 2
    for place, side in ((0, users), (1, items)):
        counts = np.bincount([row[place] for row in rows], minlength=len(side))
        total += penalty * ((counts if weighted else 1) * (side**2).sum(1)).sum()
    return total


def als_half(rows, items, penalty, weighted, users):
    """The users of ALS given the items, by their normal equations."""
    solved = np.zeros((users, items.shape[1]))
    for user in range(users):
        user_rows = [(i, r) for u, i, r in rows if u == user]
        design = np.array([np.append(items[i, :-1], 1) for i, _ in user_rows])
        target = np.array([r - items[i, -1] for i, r in user_rows])
        pull = penalty * (len(user_rows) if weighted else 1) * np.eye(items.shape[1])
        solved[user] = np.linalg.solve(design.T @ design + pull, design.T @ target)
    return solved


def nonnegative_row(gram, right, bounded):
    """Minimize x'Gx/2 - x.right with the first `bounded` of x not below zero, by trying which of them are zero."""
    best, least = None, np.inf
    for zeros in range(2**bounded):
        free = [j for j in range(len(right)) if j >= bounded or not zeros >> j & 1]
        x = np.zeros(len(right))
        if free:
            x[free] = np.linalg.solve(gram[np.ix_(free, free)], right[free])
        value = x @ gram @ x / 2 - x @ right
        if (x[:bounded] >= 0).all() and value < least:
            best, least = x, value
    return best


def implicit_objective(confidence, users, items, penalty, unobserved, exponent):
    """The objective of implicit ALS from dense tables; confidence is 0 where there is no rating."""
    scores, rated = users @ items.T, confidence > 0
    total = (confidence * (1 - scores) ** 2).sum() + unobserved * (scores**2).sum()
    for counts, others, side in ((rated.sum(1), len(items), users), (rated.sum(0), len(users), items)):
        total += penalty * ((counts + unobserved * others) ** exponent * (side**2).sum(1)).sum()
    return total


def implicit_half(confidence, items, penalty, unobserved, exponent):
    """The users of implicit ALS given the items, from a dense table."""
    solved = []
    for row in confidence:
        pull = penalty * ((row > 0).sum() + unobserved * len(items)) ** exponent
        gram = items.T @ (row[:, None] * items) + unobserved * items.T @ items + pull * np.eye(items.shape[1])
        solved.append(np.linalg.solve(gram, items.T @ row))
    return np.array(solved)


def scores(factors, bias, vector, offset):
    """Scores summed up one float32 operation at a time: eight sums side by side, then halves of them."""
    summed, k = [], len(vector)
    for row, item_bias in zip(factors, bias, strict=True):
        sums = [np.float32(0)] * 8
        for j in range(k):
            # What is left over at the end counts from the last sum back.
            lane = j % 8 if j < k // 8 * 8 or k < 8 else 8 - (k - j)
            sums[lane] = sums[lane] + row[j] * vector[j]
        while len(sums) > 1:
            half = len(sums) // 2
            sums = [a + b for a, b in zip(sums[:half], sums[half:], strict=True)]
        summed.append(sums[0] + item_bias + np.float32(offset))
    return np.array(summed, np.float32)


def weighted_mean(values, weights):
    """The mean of equally shaped arrays, each with a weight."""
    total = np.zeros(np.shape(values[0]))
    for value, weight in zip(values, weights, strict=True):
        total = total + weight * np.asarray(value, float)
    return total / sum(weights)


def weighted_variance(values, weights):
    """The mean squared deviation from the weighted mean, with the same weights."""
    mean = weighted_mean(values, weights)
    return weighted_mean([(np.asarray(value, float) - mean) ** 2 for value in values], weights)


def batch_means_error(values, size):
    """The variance of the mean of successive values, from the means of whole batches, without the first quarter."""
    batches = [np.mean(values[start : start + size], axis=0) for start in range(0, len(values) - size + 1, size)]
    settled = np.array(batches[len(batches) // 4 :])
    return ((settled - settled.mean(axis=0)) ** 2).sum(axis=0).mean() / (len(settled) - 1) / len(settled)


def nonnegative_split(rows, columns, values, shape):
    """The sums a[row] + b[column] with a, b >= 0 that come closest to values, by a dense solver."""
    from scipy.optimize import nnls

    design = np.zeros((len(values), sum(shape)))
    design[np.arange(len(values)), rows] = 1
    design[np.arange(len(values)), shape[0] + columns] = 1
    return design @ nnls(design, values)[0]
