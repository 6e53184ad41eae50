"""Effects of time: one coefficient for each group of ratings, such as those of one user on one day."""

from __future__ import annotations

import numpy as np

from palate.kernels.jit import jit
from palate.kernels.simd import LANES, fma, load, splat, total

__all__ = ["add_effect", "draw_effect", "row_residuals"]

# sha256 of simd.py, 12 digits: see `palate.kernels`.
SIMD = "6b458483b47b"


@jit
def row_residuals(
    indptr, indices, values, factors, other, offset, row_weight, other_weight, shift, start, stop, residual, weight
):
    """Put the residuals of the rows start..stop, values less shift and prediction, and the weights of their ratings."""
    for row in range(start, stop):
        for place in range(indptr[row], indptr[row + 1]):
            i = np.uint64(indices[place])
            product = splat(np.float32(0))
            for column in range(0, other.shape[1], LANES):
                product = fma(load(factors, row, column), load(other, i, column), product)
            residual[place] = values[place] - shift[place] - offset[i] - total(product)
            weight[place] = row_weight[row] * other_weight[i]


@jit
def draw_effect(
    order, starts, regressor, weight, precision, normals, start, stop, coefficient, residual, shift
):  # fmt: skip
    """Draw the coefficients of the groups start..stop from their conditional normal distributions (a Gibbs step).

    Group g has the ratings ``order[starts[g]:starts[g + 1]]``, and its coefficient adds c * regressor to each. With w
    the weights, x the regressors and r the residuals without the group's own part, q = precision + sum w x^2 and

        c ~ N(sum w x r / q, 1 / q)

    by a standard normal number of each group. The residuals lose the new part, `shift` gains it.
    """
    for group in range(start, stop):
        before, q, moment = coefficient[group], precision, 0.0
        for place in range(starts[group], starts[group + 1]):
            rating = order[place]
            x = np.float64(regressor[rating])
            weighted = weight[rating] * x
            q += weighted * x
            moment += weighted * (residual[rating] + before * x)
        after = moment / q + normals[group] / np.sqrt(q)
        coefficient[group] = after
        for place in range(starts[group], starts[group + 1]):
            rating = order[place]
            x = np.float64(regressor[rating])
            residual[rating] += (before - after) * x
            shift[rating] += after * x


@jit
def add_effect(order, starts, regressor, start, stop, coefficient, shift):
    """Add to shift what the coefficients of the groups start..stop add to their ratings."""
    for group in range(start, stop):
        for place in range(starts[group], starts[group + 1]):
            rating = order[place]
            shift[rating] += coefficient[group] * np.float64(regressor[rating])
