"""New users and new items from their ratings, without fitting again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.model.arrays import Floats, Id, ModelArrays
from palate.model.choice import WeightsHead
from palate.model.lookup import find_ids
from palate.model.profile import Profile
from palate.model.row_solve import RowPrior, solve_row
from palate.model.update_weights import fold_in_weights, weight_settings
from palate.ratings import Vocabulary

__all__ = ["fold_in", "fold_in_item", "item_equations", "user_equations"]


def fold_in(model: ModelArrays, ratings: Mapping[Id, float]) -> Profile:
    """Find the factors of a user from ratings: see `palate.Model.fold_in`."""
    items, values = _checked(model, model.items, ratings)
    bias, factors, covariance = solve_row(*user_equations(model, items, values))
    # Without a posterior, the inverse of the equations' matrix is not the covariance of anything.
    return Profile(bias, factors, items, values, covariance if model.posterior else None)


def fold_in_item(model: ModelArrays, ratings: Mapping[Id, float]) -> Profile:
    """Find the factors of a new item from ratings: see `palate.Model.fold_in_item`."""
    users, values = _checked(model, model.users, ratings)
    if isinstance(model.choice, WeightsHead) and model.predicts == "choice":
        return Profile(0.0, _item_weights(model, model.choice, users, values), users, values, None, kind="item")
    bias, factors, covariance = solve_row(*item_equations(model, users, values))
    return Profile(bias, factors, users, values, covariance if model.posterior else None, kind="item")


def _item_weights(model: ModelArrays, head: WeightsHead, users: NDArray[np.int32], ratings: Floats) -> Floats:
    """Return the weights from each item to a new item; a user's score is their sum over what the user chose."""
    choices = model.ratings()
    if choices is None:
        raise DataError("this model keeps no ratings, so nothing is known of who else chose what: fit it again")
    if head.liked is not None:
        choices, users = choices.take(choices.rating >= np.float32(head.liked)), users[ratings >= head.liked]
    settings = weight_settings(model.solver, model.training)
    return fold_in_weights(head, choices, users, settings).astype(np.float32)


def item_equations(
    model: ModelArrays, users: NDArray[np.int32], ratings: Floats
) -> tuple[Floats, NDArray[np.float64], RowPrior]:
    """Return what `solve_row` needs to find an item with these ratings: user factors, residuals and the prior."""
    if model.posterior is not None:
        prior = model.posterior.items.row_prior(users, model.factors)
    else:
        # Both sides are fitted with the same penalty. A model without biases of users may have those of items.
        penalty = model.penalty
        if penalty.bias is None and model.item_bias.any():
            penalty = penalty._replace(bias=penalty.factors)
        prior = penalty.row_prior(ratings, model.factors, penalty.unobserved_term(model.user_factors))
    if model.predicts == "choice":
        residuals = np.ones(len(users))
    else:
        residuals = ratings.astype(np.float64) - model.intercept - model.user_bias[users]
    return model.user_factors[users], residuals, prior


def user_equations(
    model: ModelArrays, items: NDArray[np.int32], ratings: Floats
) -> tuple[Floats, NDArray[np.float64], RowPrior]:
    """Return what `solve_row` needs to find a user with these ratings: item factors, residuals and the prior."""
    if model.posterior is not None:
        prior = model.posterior.users.row_prior(items, model.factors)
    else:
        prior = model.penalty.row_prior(ratings, model.factors, model.unobserved_term)
    if model.predicts == "choice":
        residuals = np.ones(len(items))
    else:
        residuals = ratings.astype(np.float64) - model.intercept - model.item_bias[items]
    return model.item_factors[items], residuals, prior


def _checked(
    model: ModelArrays, vocabulary: Vocabulary, ratings: Mapping[Id, float]
) -> tuple[NDArray[np.int32], Floats]:
    """Return the indices and values of ratings that can be folded in."""
    if not isinstance(ratings, Mapping):
        raise DataError(f"ratings to fold in are a dictionary, {vocabulary.kind} id to rating")
    index = find_ids(model, vocabulary, list(ratings))
    if len(set(index.tolist())) < len(index):
        raise DataError(f"{'an item is' if vocabulary is model.items else 'a user has'} rated twice: give each once")
    values = np.array(list(ratings.values()), np.float32)
    for id, value in zip(ratings, values, strict=True):
        _check_rating(model, f"{vocabulary.kind} {id!r}", value)
    return index, values


def _check_rating(model: ModelArrays, of: str, value: np.float32) -> None:
    if model.predicts == "rating":
        if not np.float32(model.scale.low) <= value <= np.float32(model.scale.high):
            raise DataError(f"rating {value:g} of {of} is off the model's scale, {model.scale}")
    elif not np.isfinite(value) or (model.positive_ratings and value <= 0):
        allowed = "a number above zero, as it is a confidence" if model.positive_ratings else "a finite number"
        raise DataError(f"rating {value:g} of {of} must be {allowed}")
