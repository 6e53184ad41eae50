"""The closed form of EASE: pairs counted, the matrix inverted, the strongest weights kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.kernels.ease import count_pairs
from palate.model.choice import WeightsHead
from palate.parallel import Run, single_blas
from palate.ratings import Ratings
from palate.solvers.ease.inverse import invert
from palate.solvers.ease.settings import EASE
from palate.solvers.ease.unchosen import fill_unchosen
from palate.solvers.liked_pairs import choices_of

__all__ = ["count_choices", "fit_ease", "solve_weights"]

Floats = NDArray[np.float32]

# More items would take more than 8 GB.
_MOST_ITEMS = 40_000
# Rows of the matrix that a task works on.
_ROWS = 64
# Strengths are counted by their first 16 bits: a sign, 8 bits of exponent and 7 of the fraction.
_BITS = 16


def count_choices(choices: Ratings, exponent: float, run: Run) -> Floats:
    """Return the lower triangle of X' D X, where X has a 1 for each choice and D the weights of users.

    Returns
    -------
    ndarray
        float32, (items, items), with zeros above the diagonal.
    """
    items, (by_user, by_item) = len(choices.items), (choices.by_user, choices.by_item)
    counts = np.maximum(1, choices.user_counts).astype(np.float64)
    weights = counts**-exponent
    weights *= counts.sum() / max(1e-300, weights @ counts)
    gram = np.zeros((items, items), np.float32)
    table = by_item.indptr, by_item.indices, by_user.indptr, by_user.indices, weights.astype(np.float32)
    # Later rows of a triangle are longer: they come first, so that no thread ends late.
    starts = range(items - items % _ROWS, -1, -_ROWS)
    run(lambda start: count_pairs(*table, start, min(start + _ROWS, items), gram), starts)
    return gram


def solve_weights(gram: Floats, regularization: float, dropout: float, run: Run) -> Floats:
    """Replace the lower triangle of X' D X by all weights B, in place; return each item's variance, float32 (items,).

    Raises
    ------
    SettingsError
        If the regularization is too weak for float32.
    """
    diagonal = np.einsum("ii->i", gram)
    diagonal += regularization + dropout / (1 - dropout) * diagonal
    with single_blas():
        invert(gram, run)
    variance: Floats = (1 / diagonal).astype(np.float32)

    def scale(start: int) -> None:
        gram[start : start + _ROWS] *= -variance

    run(scale, range(0, len(gram), _ROWS))
    diagonal[:] = 0
    return variance


def strongest(
    weights: Floats, variance: Floats, counts: NDArray[np.int64], most: int, liked: float | None
) -> WeightsHead:
    r"""Keep the strongest weights of the whole matrix, about `most` for each item on average.

    The strength of a weight is :math:`|B_{ij}| \sqrt{n_i n_j}`: it is used by the :math:`n_i` users who chose item i,
    and matters most for items that are often listed. With as many weights from each column alone, lists of MovieLens
    lose ten times as much NDCG.
    """
    items, root = len(weights), np.sqrt(np.maximum(counts, 1)).astype(np.float32)
    starts = range(0, items, _ROWS)

    def strengths(start: int) -> NDArray[np.uint32]:
        block = np.abs(weights[start : start + _ROWS]) * root
        block *= root[start : start + _ROWS, None]
        view: NDArray[np.uint32] = block.view(np.uint32)
        return view

    bins = np.zeros(1 << _BITS, np.int64)
    for start in starts:
        bins += np.bincount((strengths(start) >> _BITS).ravel(), minlength=1 << _BITS)
    bins[0] = 0  # no weight, as on the diagonal
    above = np.cumsum(bins[::-1])[::-1]
    least = max(1, int(np.searchsorted(-above, -most * items, side="right")) - 1)
    rows, targets, values = [], [], []
    for start in starts:
        row, target = np.nonzero((strengths(start) >> _BITS) >= least)
        rows.append(row + start)
        targets.append(target.astype(np.int32))
        values.append(weights[row + start, target])
    per_row = np.bincount(np.concatenate(rows), minlength=items)
    indptr = np.concatenate([[0], np.cumsum(per_row)])
    return WeightsHead(indptr, np.concatenate(targets), np.concatenate(values), variance, liked)


def fit_ease(ratings: Ratings, solver: EASE, run: Run) -> WeightsHead:
    """Fit the weights; `solver.regularization` is given. Attributes of items give weights to items without choices.

    Raises
    ------
    SettingsError
        If there are too many items, or the regularization is too weak.
    """
    if solver.regularization is None:
        raise SettingsError("the closed form needs a regularization")
    if len(ratings.items) > _MOST_ITEMS:
        raise SettingsError(
            f"ease holds a number for each pair of items, which is too much for {len(ratings.items):,} items (it takes "
            f"up to {_MOST_ITEMS:,}): use the solver 'implicit'"
        )
    choices = choices_of(ratings, solver.liked)
    weights = count_choices(choices, solver.exponent, run)
    variance = solve_weights(weights, solver.regularization, solver.dropout, run)
    counts = fill_unchosen(weights, choices)
    return strongest(weights, variance, counts, solver.weights, solver.liked)
