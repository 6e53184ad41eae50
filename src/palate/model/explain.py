"""How much each rated item speaks for or against a prediction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.model.arrays import Id, ModelArrays
from palate.model.choice import ChoiceHead
from palate.model.fold_in import user_equations
from palate.model.lookup import profile_of, require_id
from palate.model.profile import Profile
from palate.model.row_solve import split_prediction

__all__ = ["Contribution", "Explanation", "explain"]


class Contribution(NamedTuple):
    """How much the rating of one item moves a prediction, in rating points."""

    item: int | str
    rating: float
    contribution: float
    title: str


class Explanation(NamedTuple):
    """A prediction as a sum, before it is clipped to the scale.

    Attributes
    ----------
    item, title
        The item whose rating is predicted.
    prediction
        The sum of `intercept`, all contributions and `remainder`, on the rating scale, not clipped.
    intercept
        What is predicted for the item before anything is known of the user.
    contributions
        One for each rated item, the largest in absolute value first.
    remainder
        What the user's factors predict beyond these ratings; 0 for a folded-in user.
    choices
        What each rated item adds to the choice score of the item (people who chose this choose the item too), the
        largest first; empty without a choice head.
    """

    item: int | str
    title: str
    prediction: float
    intercept: float
    contributions: tuple[Contribution, ...]
    remainder: float
    choices: tuple[Contribution, ...] = ()


def explain(model: ModelArrays, user: Id | Profile, item: Id) -> Explanation:
    """Split a prediction into contributions: see `palate.Model.explain`."""
    if model.seen is None and not isinstance(user, Profile):
        raise DataError("this model keeps no ratings to explain from: fold in the user's ratings instead")
    profile, index = profile_of(model, user), require_id(model, model.items, item)
    if model.choice is not None and model.predicts == "choice":
        return _explain_choice(model, model.choice, profile, index)
    factors, residuals, prior = user_equations(model, profile.items, profile.ratings)
    target = model.item_factors[index]
    parts, before, remainder = split_prediction(profile.bias, profile.factors, factors, residuals, target, prior)
    contributions = _contributions(model, profile, parts)
    contributions.sort(key=lambda one: -abs(one.contribution))
    choices: list[Contribution] = []
    if model.choice_head is not None and model.predicts == "rating":
        choices = _contributions(
            model, profile, model.choice_head.contributions(profile.items, profile.ratings, index)[0]
        )
        choices.sort(key=lambda one: -one.contribution)
    intercept = model.intercept + float(model.item_bias[index]) + before
    prediction = intercept + float(parts.sum()) + remainder
    id = model.items[index]
    return Explanation(
        id, model.catalogue.title(id), prediction, intercept, tuple(contributions), remainder, tuple(choices)
    )


def _explain_choice(model: ModelArrays, head: ChoiceHead, profile: Profile, index: int) -> Explanation:
    parts, intercept = head.contributions(profile.items, profile.ratings, index)
    contributions = _contributions(model, profile, parts)
    contributions.sort(key=lambda one: -abs(one.contribution))
    id, total = model.items[index], intercept + float(parts.sum())
    return Explanation(id, model.catalogue.title(id), total, intercept, tuple(contributions), 0.0)


def _contributions(model: ModelArrays, profile: Profile, parts: NDArray[np.float64]) -> list[Contribution]:
    rated = [model.items[position] for position in profile.items.tolist()]
    return [
        Contribution(id, rating, part, model.catalogue.title(id))
        for id, rating, part in zip(rated, profile.ratings.tolist(), parts.tolist(), strict=True)
    ]
