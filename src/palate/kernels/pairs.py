"""Predictions and errors of rated pairs, given the factors of both sides."""

from __future__ import annotations

import numpy as np

from palate.kernels.jit import jit
from palate.kernels.simd import LANES, fma, load, splat, total

__all__ = ["pair_products", "row_errors"]

# sha256 of simd.py, 12 digits: see `palate.kernels`.
SIMD = "6b458483b47b"


@jit
def row_errors(indptr, indices, values, factors, other, offset, other_weight, start, stop, plain, weighted):
    """Put the sum of squared errors of each row into plain, and the sum weighted by other_weight into weighted."""
    for row in range(start, stop):
        squares, weighted_squares = 0.0, 0.0
        for place in range(indptr[row], indptr[row + 1]):
            i = np.uint64(indices[place])
            product = splat(np.float32(0))
            for column in range(0, other.shape[1], LANES):
                product = fma(load(factors, row, column), load(other, i, column), product)
            error = values[place] - offset[i] - total(product)
            squares += error * error
            weighted_squares += other_weight[i] * error * error
        plain[row], weighted[row] = squares, weighted_squares


@jit
def pair_products(factors, other, rows, columns, start, stop, out):
    """Put the products factors[rows] . other[columns] of the pairs start..stop into out."""
    for place in range(start, stop):
        r, c = np.uint64(rows[place]), np.uint64(columns[place])
        product = splat(np.float32(0))
        for column in range(0, other.shape[1], LANES):
            product = fma(load(factors, r, column), load(other, c, column), product)
        out[place] = total(product)
