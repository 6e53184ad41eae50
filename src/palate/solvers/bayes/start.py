"""The first state of a Gibbs chain: factors from a few sweeps of alternating least squares."""

from __future__ import annotations

import numpy as np

from palate.parallel import Run
from palate.solvers.bayes.state import SideState
from palate.solvers.half_step import partners_and_biases, solve_side

__all__ = ["start_from_als"]

_SWEEPS = 5
# The penalty on standardized ratings, times the number of ratings of a row, as in `palate.solvers.als`: as heavy as so
# many ratings in a mean row, and at most the second number. A lighter penalty costs nothing, as the chain shrinks
# factors at once. With a heavier one factors vanish, and the chain takes long to find them again (measured: with 0.15
# 200 sweeps on MovieLens 1M, where 0.005 to 0.03 need 30; with 0.3 hundreds on MovieLens 100K).
_PENALTY_RATINGS, _MOST_PENALTY = 5, 0.15


def start_from_als(users: SideState, items: SideState, run: Run) -> None:
    """Replace small random factors by those of a few least-squares sweeps, in place.

    From small random factors a chain takes hundreds of sweeps until the factors of a sparse table have their size,
    since small factors make the chain believe in small factors. Least squares finds the size at once.
    """
    mean_count = 2 * len(users.table.indices) / (len(users.counts) + len(items.counts))
    penalty = min(_PENALTY_RATINGS / max(1.0, mean_count), _MOST_PENALTY)
    for _ in range(_SWEEPS):
        _solve_side(items, users, penalty, run)
        _solve_side(users, items, penalty, run)


def _solve_side(side: SideState, other: SideState, penalty: float, run: Run) -> None:
    """Solve for the factors and biases of one side."""
    partners, biases = partners_and_biases(other.factors, side.k)
    # The equations of a row are divided by its number of ratings, so that one matrix is the penalty of all rows.
    weight = (1 / np.maximum(1, side.counts)).astype(np.float32)
    precision = np.eye(side.factors.shape[1], dtype=np.float32)
    precision[: side.columns] *= np.float32(penalty)
    linear, errors = np.zeros_like(side.factors), np.empty(len(side.factors))
    equations = partners, biases, weight, other.ones, precision, linear
    solve_side(run, side.ranges, side.table, equations, 0, 0, 0.0, side.factors, errors)
