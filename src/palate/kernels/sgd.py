"""Stochastic gradient descent: rating by rating, or in mini-batches."""

from __future__ import annotations

import numpy as np

from palate.kernels.jit import jit
from palate.kernels.simd import LANES, fma, load, mul, splat, store, total

__all__ = ["descend", "descend_in_batches", "squared_error"]

# sha256 of simd.py, 12 digits: see `palate.kernels`.
SIMD = "6b458483b47b"


@jit
def _product(p, q, u, i, width):
    product = splat(np.float32(0))
    for column in range(0, len(width), LANES):
        product = fma(load(p, u, column), load(q, i, column), product)
    return total(product)


@jit
def descend(user, item, rating, start, stop, p, q, user_bias, item_bias, rate, decay, biased, width):
    """Make one step for each rating of start..stop, in order; return the sum of squared errors before the steps.

    p (users, d) and q (items, d) are padded to a multiple of LANES columns. `width` is a tuple of d entries: its length
    is a constant for the compiler, which then unrolls the loops. A step multiplies each parameter by `decay`, which is
    1 - rate * regularization.
    """
    squares = 0.0
    decays = splat(decay)
    for position in range(start, stop):
        u, i = np.uint64(user[position]), np.uint64(item[position])
        error = rating[position] - user_bias[u] - item_bias[i] - _product(p, q, u, i, width)
        squares += error * error
        step = rate * error
        if biased:
            user_bias[u] = decay * user_bias[u] + step
            item_bias[i] = decay * item_bias[i] + step
        steps = splat(step)
        for column in range(0, len(width), LANES):
            x, y = load(p, u, column), load(q, i, column)
            store(p, u, column, fma(steps, y, mul(decays, x)))
            store(q, i, column, fma(steps, x, mul(decays, y)))
    return squares


@jit
def descend_in_batches(user, item, rating, order, batch, p, q, user_bias, item_bias, rate, decay, biased):
    """Make one step for each batch, along the mean gradient; return the sum of squared errors before the steps.

    All errors and gradients of a batch are computed before its parameters change. The last batch may be shorter.
    """
    squares = 0.0
    k = p.shape[1]
    errors = np.empty(batch, np.float32)
    rows = np.empty((2, batch, k), np.float32)
    biases = np.empty((2, batch), np.float32)
    for start in range(0, order.size, batch):
        size = min(batch, order.size - start)
        for member in range(size):
            u, i = user[order[start + member]], item[order[start + member]]
            biases[0, member], biases[1, member] = user_bias[u], item_bias[i]
            product = np.float32(0)
            for column in range(k):
                rows[0, member, column], rows[1, member, column] = p[u, column], q[i, column]
                product += p[u, column] * q[i, column]
            errors[member] = rating[order[start + member]] - user_bias[u] - item_bias[i] - product
            squares += errors[member] * errors[member]
        step, shrinkage = rate / np.float32(size), (np.float32(1) - decay) / np.float32(size)
        for member in range(size):
            u, i = user[order[start + member]], item[order[start + member]]
            scaled_error = step * errors[member]
            for column in range(k):
                p[u, column] += scaled_error * rows[1, member, column] - shrinkage * rows[0, member, column]
                q[i, column] += scaled_error * rows[0, member, column] - shrinkage * rows[1, member, column]
            if biased:
                user_bias[u] += scaled_error - shrinkage * biases[0, member]
                item_bias[i] += scaled_error - shrinkage * biases[1, member]
    return squares


@jit
def squared_error(user, item, rating, start, stop, p, q, user_bias, item_bias, low, high, width):
    """Return the sum of squared errors over start..stop; predictions are clipped to low..high."""
    squares = 0.0
    for position in range(start, stop):
        u, i = np.uint64(user[position]), np.uint64(item[position])
        prediction = user_bias[u] + item_bias[i] + _product(p, q, u, i, width)
        error = rating[position] - min(max(prediction, low), high)
        squares += error * error
    return squares
