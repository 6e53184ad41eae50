"""Choosing the best of many scores, and the rating that would tell most."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError

__all__ = ["Scored", "best", "telling"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Scored(NamedTuple):
    """An item or user with its score: a predicted rating, or a similarity."""

    id: int | str
    score: float
    title: str


def best(scores: Floats, allowed: NDArray[np.bool_], n: int, lowest: bool) -> NDArray[np.int64]:
    """Return the indices of the n best allowed scores, best first; equal scores in order of index."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise SettingsError(f"n must be an integer and at least 1, not {n!r}")
    keys = np.where(allowed, scores if lowest else -scores, np.inf)
    n = min(n, int(allowed.sum()))
    if n < len(keys):
        # Every key as good as the n-th takes part, so that ties do not depend on the partition.
        candidates = np.flatnonzero(keys <= np.partition(keys, n)[:n].max(initial=-np.inf))
    else:
        candidates = np.arange(n)
    return candidates[np.argsort(keys[candidates], kind="stable")][:n]


def telling(toward: Doubles, covariance: Doubles, noise: Doubles, weights: NDArray[np.int64]) -> Floats:
    r"""Return the share of the variance of all predictions for a user that a rating of each item would take away.

    With :math:`\Sigma` the covariance of the user's factors and bias, a rating of item j with the variance :math:`v_j`
    takes :math:`(z_i \Sigma z_j)^2 / (v_j + z_j \Sigma z_j)` off the variance of the prediction of item i, whatever the
    rating will be.

    Parameters
    ----------
    toward
        (items, k + 1): z, the items' factors and a one.
    covariance
        (k + 1, k + 1).
    noise
        (items,): v.
    weights
        (items,): how much each prediction matters.
    """
    spread = toward @ covariance
    before = np.einsum("nk,nk->n", spread, toward)
    gone = np.einsum("nk,kl,nl->n", spread, (toward.T * weights) @ toward, spread, optimize=True)
    return np.asarray(gone / (noise + before) / float(weights @ before), np.float32)
