"""The items whose rating would tell most about a user, among those that the user can rate."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.model.arrays import Floats, Id, ModelArrays
from palate.model.fold_in import fold_in, user_equations
from palate.model.lookup import allowed_items, profile_of, scored_list
from palate.model.profile import Profile
from palate.model.recommend import choice_chances
from palate.model.row_solve import design_matrix, solve_row
from palate.model.scored import ScoredList
from palate.ranking import best

__all__ = ["answer_chances", "ask", "information_gain"]

Doubles = NDArray[np.float64]


def ask(model: ModelArrays, user: Id | Profile | None, n: int, exclude: Iterable[Id], least: int) -> ScoredList:
    """Return the n items whose rating would tell most: see `palate.Model.ask`."""
    noise = model.require_posterior().users.noise
    user = fold_in(model, {}) if user is None else user
    if model.seen is None and not isinstance(user, Profile):
        raise DataError("this model keeps no ratings: fold in what the user has rated instead")
    profile = profile_of(model, user)
    covariance = profile.covariance
    if covariance is None:
        _, _, covariance = solve_row(*user_equations(model, profile.items, profile.ratings))
    gain = information_gain(design_matrix(model.item_factors), covariance, noise, np.maximum(1, model.item_counts))
    expected = gain * answer_chances(model, user, profile)
    chosen = best(expected, n, allowed_items(model, None, exclude, least), profile.items)
    return scored_list(model, model.items, chosen, expected[chosen])


def answer_chances(model: ModelArrays, user: Id | Profile, profile: Profile) -> Floats:
    """Return how likely a user can rate each item: float32, (items,).

    It is the share of all users who rated the item or, where the model has a choice head and the user has rated
    something, the chance that people like this user choose it. Ones if the model does not know who rated what.
    """
    if model.interest is not None and len(profile.items):
        return choice_chances(model, user)
    if not model.item_counts.any():
        return np.ones(len(model.items), np.float32)
    return np.asarray(model.item_counts / len(model.users), np.float32)


def information_gain(items: Doubles, covariance: Doubles, noise: Doubles, weights: NDArray[np.int64]) -> Floats:
    r"""Return by what share a rating of each item would reduce the variance of all predictions for a user.

    With :math:`\Sigma` the covariance of the user's factors and bias, a rating of item j with the variance :math:`v_j`
    reduces the variance of the prediction of item i by :math:`(z_i \Sigma z_j)^2 / (v_j + z_j \Sigma z_j)`, whatever
    the rating will be.

    Parameters
    ----------
    items
        float64, (items, k + 1): z, the items' factors and a one.
    covariance
        float64, (k + 1, k + 1).
    noise
        float64, (items,): v.
    weights
        int64, (items,): how much each prediction counts.

    Returns
    -------
    ndarray
        float32, (items,): between 0 and 1.
    """
    projected = items @ covariance
    variance = np.einsum("nk,nk->n", projected, items)
    reduction = np.einsum("nk,kl,nl->n", projected, (items.T * weights) @ items, projected, optimize=True)
    return np.asarray(reduction / (noise + variance) / float(weights @ variance), np.float32)
