"""The prior of new users and items, in the coordinates of the mean factors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.kernels.rows import SET_COLUMNS, weigh_sets
from palate.model.row_solve import FactorPrior, design_matrix
from palate.parallel import Run
from palate.ratings import Grouped
from palate.solvers.half_step import set_lengths, set_shares

__all__ = ["learn_prior"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Rounds of EM, and passes of coordinate descent in each.
_ROUNDS, _PASSES = 3, 3
# The number of rows over which the uncertainty of a row is averaged.
_SAMPLED_ROWS = 400


def learn_prior(
    table: Grouped,
    transposed: Grouped,
    *,
    rows: Doubles,
    mean: Doubles,
    partners: Floats,
    noise: Doubles,
    sets_penalty: float,
    run: Run,
) -> FactorPrior:
    """Estimate the normal distribution of one side's factors and biases, by empirical Bayes.

    The rows are point estimates. So the covariance is that of the rows given their rated sets, plus the mean
    uncertainty of a row (one step of EM a round). The set weights are a ridge regression on who rated what, by
    coordinate descent, in coordinates in which the rows given their sets have unit covariance.

    Parameters
    ----------
    table, transposed
        The ratings grouped by this side, and by the other.
    rows
        (n, k + 1): factors and biases; `mean` is subtracted from them in place, as copies of them take much memory.
    mean
        (k + 1,): of a row without ratings.
    partners
        (others, k): the other side's factors.
    noise
        (others,): the variance of a rating with each partner.
    sets_penalty
        The ridge penalty of the set weights; 0 for no sets.
    run
        A pool.
    """
    n, width = rows.shape
    counts = np.diff(table.indptr)
    rows -= mean
    deviations = residuals = rows
    weights = np.zeros((len(partners) if sets_penalty else 0, width))
    covariance = np.cov(deviations, rowvar=False, bias=True).reshape(width, width) + 1e-6 * np.eye(width)
    sampled = np.unique(np.linspace(0, n - 1, min(n, _SAMPLED_ROWS)).astype(np.int64))
    for _ in range(_ROUNDS):
        precision = np.linalg.inv(covariance)
        if sets_penalty:
            root = np.linalg.cholesky(precision)
            weights, by_sets = _regress_on_sets(transposed, counts, deviations, root, sets_penalty, run)
            residuals = deviations - by_sets
        uncertainty = np.zeros_like(covariance)
        for row in sampled:
            others, _ = table[int(row)]
            known = design_matrix(partners[others])
            uncertainty += np.linalg.inv((known.T / noise[others]) @ known + precision)
        covariance = residuals.T @ residuals / n + uncertainty / len(sampled)
    return FactorPrior(mean, np.asarray(np.linalg.inv(covariance)), weights.astype(np.float32), noise)


def _regress_on_sets(
    transposed: Grouped, counts: NDArray[np.int64], deviations: Doubles, root: Doubles, penalty: float, run: Run
) -> tuple[Doubles, Doubles]:
    """Return the set weights W, (others, k + 1), and X W, (n, k + 1). Tasks work on a few columns each."""
    n, width, others = *deviations.shape, len(transposed.indptr) - 1
    shares = set_shares(counts)
    lengths = set_lengths(shares, transposed, run)
    target = deviations @ root
    weights, residual = np.zeros((others, width)), np.zeros_like(target)

    def descend_columns(first: int) -> None:
        columns = slice(first, min(first + SET_COLUMNS, width))
        size = columns.stop - first
        piece, piece_weights = np.zeros((n, SET_COLUMNS), np.float32), np.zeros((others, SET_COLUMNS), np.float32)
        piece[:, :size] = target[:, columns]
        sets = transposed.indptr, transposed.indices, shares, lengths
        for number in range(_PASSES):
            weigh_sets(*sets, piece, piece_weights, np.float32(penalty), number, False, np.float32(0))
        weights[:, columns], residual[:, columns] = piece_weights[:, :size], piece[:, :size]

    run(descend_columns, range(0, width, SET_COLUMNS))
    back = np.linalg.inv(root)
    return weights @ back, (target - residual) @ back
