r"""Weights that lead to items which nobody has chosen, from what is known of these items.

Column j of the weights B says which choices speak for item j. The columns of items with choices, in the space Q of the
strongest left singular directions of B, are regressed on the items' attributes. An item without choices has the column
that the regression expects, as factors are expected from attributes by Gantner, Drumond, Freudenthaler, Rendle and
Schmidt-Thieme (2010, "Learning attribute-to-feature mappings for cold-start recommendations").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.parallel import single_blas
from palate.ratings import Ratings
from palate.solvers.feature_rows import feature_rows

__all__ = ["fill_unchosen"]

Floats = NDArray[np.float32]

# Directions in which columns are regressed, those that are iterated beside them, and rounds of the iteration.
_DIRECTIONS, _MORE, _ROUNDS = 64, 10, 6


def fill_unchosen(weights: Floats, choices: Ratings) -> NDArray[np.int64]:
    """Write the columns of items without choices whose attributes are known.

    Parameters
    ----------
    weights
        float32, (items, items): those of items with choices. Columns of other items are overwritten.
    choices
        The pairs that the weights were fitted on, with the attributes of items, if there are any.

    Returns
    -------
    ndarray
        int64, (items,): the number of choices of each item; for an item whose column was written the largest number,
        since such a column has many weak weights that all matter, and is not to be cut off.
    """
    features, counts = feature_rows(choices)[1], choices.item_counts
    if features is None:
        return counts
    is_known, is_chosen = features.there > 0, counts > 0
    unchosen = np.flatnonzero(is_known & ~is_chosen)
    if not len(unchosen) or not (is_known & is_chosen).any():
        return counts
    with single_blas():
        basis = _strongest_directions(weights)
        expected = features.expected((weights.T @ basis).astype(np.float64))[unchosen]
        weights[:, unchosen] = basis @ expected.T.astype(np.float32)
    counts = counts.copy()
    counts[unchosen] = counts.max()
    return counts


def _strongest_directions(weights: Floats) -> Floats:
    """Return an orthonormal basis of the strongest left singular directions, by subspace iteration."""
    size = min(len(weights), _DIRECTIONS + _MORE)
    basis = np.random.default_rng(0).normal(size=(len(weights), size)).astype(np.float32)
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(weights @ (weights.T @ basis))[0]
    return basis
