"""The prior of new users and items, in the coordinates of the collapsed factors."""

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

_ROUNDS, _PASSES = 3, 3
# Rows whose own uncertainty is looked at.
_ROWS = 400


def learn_prior(
    table: Grouped,
    turned: Grouped,
    rows: Doubles,
    mean: Doubles,
    partners: Floats,
    noise: Doubles,
    sets: float,
    run: Run,
) -> FactorPrior:
    """Find the normal distribution that one side's factors and biases come from, by empirical Bayes.

    Rows are point estimates: their own uncertainty, averaged, is added to the covariance of what their sets leave of
    them (one step of EM a round). Set weights are a ridge regression on who rated what, in coordinates in which that
    rest has unit covariance, by coordinate descent.

    Parameters
    ----------
    table, turned
        The ratings grouped by this side, and by the other.
    rows
        (n, k + 1): factors and biases.
    mean
        (k + 1,): of a row without ratings.
    partners
        (others, k): the other side's factors.
    noise
        (others,): the variance of a rating with each partner.
    sets
        The ridge penalty of set weights; 0 for no sets.
    run
        A pool.
    """
    n, width = rows.shape
    counts = np.diff(table.indptr)
    away, linked = rows - mean, np.zeros_like(rows)
    weights = np.zeros((len(partners) if sets else 0, width))
    covariance = np.cov(away, rowvar=False, bias=True).reshape(width, width) + 1e-6 * np.eye(width)
    some = np.unique(np.linspace(0, n - 1, min(n, _ROWS)).astype(np.int64))
    for _ in range(_ROUNDS):
        precision = np.linalg.inv(covariance)
        if sets:
            weights, linked = _descend(turned, counts, away, np.linalg.cholesky(precision), sets, run)
        own = np.zeros_like(covariance)
        for row in some:
            others, _ = table[int(row)]
            known = design_matrix(partners[others])
            own += np.linalg.inv((known.T / noise[others]) @ known + precision)
        rest = away - linked
        covariance = rest.T @ rest / n + own / len(some)
    return FactorPrior(mean, np.asarray(np.linalg.inv(covariance)), weights.astype(np.float32), noise)


def _descend(
    turned: Grouped, counts: NDArray[np.int64], away: Doubles, root: Doubles, penalty: float, run: Run
) -> tuple[Doubles, Doubles]:
    """Return set weights, and what the set of each row adds up to; some columns at once."""
    n, width, others = *away.shape, len(turned.indptr) - 1
    share = set_shares(counts)
    lengths = set_lengths(share, turned, run)
    target = away @ root
    found, rest = np.zeros((others, width)), np.zeros_like(target)

    def work(start: int) -> None:
        columns = slice(start, min(start + SET_COLUMNS, width))
        left, mine = np.zeros((n, SET_COLUMNS), np.float32), np.zeros((others, SET_COLUMNS), np.float32)
        size = columns.stop - start
        left[:, :size] = target[:, columns]
        for number in range(_PASSES):
            weigh_sets(turned.indptr, turned.indices, share, lengths, left, mine, np.float32(penalty), number, False)
        found[:, columns], rest[:, columns] = mine[:, :size], left[:, :size]

    run(work, range(0, width, SET_COLUMNS))
    back = np.linalg.inv(root)
    return found @ back, (target - rest) @ back
