"""How much each rated item speaks for or against a prediction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, SettingsError
from palate.model.arrays import Id, ModelArrays
from palate.model.attribute_weights import AttributeContribution
from palate.model.fold_in import user_equations
from palate.model.lookup import find_ids, profile_of, require_id
from palate.model.moment import NO_MOMENT, pair_shift, timed_model
from palate.model.profile import Profile
from palate.model.row_solve import design_matrix, split_row
from palate.moments import Moment, seconds_of
from palate.ranking import check_count

__all__ = ["Contribution", "Explanation", "Reasons", "explain", "explain_items", "reasons", "reasons_of_both"]

Doubles = NDArray[np.float64]


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
        The sum of `intercept`, all contributions, `remainder` and `time`, on the rating scale, not clipped.
    intercept
        What is predicted for the item before anything is known of the user.
    contributions
        One for each rated item, the largest in absolute value first: what its rating adds to the prediction for a user
        who is folded in with these ratings.
    remainder
        The prediction minus that of the folded-in user: what the fitted factors hold beyond these ratings. 0 (up to
        rounding) for a folded-in user.
    choices
        What each rated item adds to the choice score of the item (people who chose this choose the item too), the
        largest first; empty without a choice head.
    attributes
        What the attributes of the item and of the user say of the prediction by themselves, before any rating; the
        largest first. This is a second view, not a part of the sum. Empty if the model knows no attributes.
    time
        What the effects of time add at the moment that was asked about; 0 without a moment.
    """

    item: int | str
    title: str
    prediction: float
    intercept: float
    contributions: tuple[Contribution, ...]
    remainder: float
    choices: tuple[Contribution, ...] = ()
    attributes: tuple[AttributeContribution, ...] = ()
    time: float = 0.0


class Reasons(NamedTuple):
    """What speaks for several items: for each a list, the largest contribution first.

    Attributes
    ----------
    ratings
        The rated items that raise the prediction most.
    choices
        The rated items that raise the choice score most; None without a choice head beside the predictions.
    """

    ratings: list[list[Contribution]]
    choices: list[list[Contribution]] | None


class _Sums(NamedTuple):
    """The predictions of several items as sums.

    Attributes
    ----------
    parts
        float64, (items, n): what each of the n rated items adds.
    intercepts, predictions
        float64, (items,).
    choices
        float64, (items, n): what each rated item adds to the choice score; None without a choice head beside the
        predictions.
    """

    parts: Doubles
    intercepts: Doubles
    predictions: Doubles
    choices: Doubles | None


def explain(model: ModelArrays, user: Id | Profile, item: Id, at: Moment | None = None) -> Explanation:
    """Split one prediction into contributions: see `palate.Model.explain`."""
    return _explain_indices(model, user, np.array([require_id(model, model.items, item)], np.int32), at)[0]


def explain_items(
    model: ModelArrays, user: Id | Profile, items: Iterable[Id], at: Moment | None = None
) -> list[Explanation]:
    """Split the predictions of several items into contributions: see `palate.Model.explain`."""
    return _explain_indices(model, user, find_ids(model, model.items, list(items)).ravel(), at)


def reasons(model: ModelArrays, user: Id | Profile, items: Iterable[Id], n: int) -> list[list[Contribution]]:
    """Return the n rated items that speak most for each prediction: see `palate.Model.reasons`."""
    return _reasons(model, user, items, n, with_choices=False).ratings


def reasons_of_both(model: ModelArrays, user: Id | Profile, items: Iterable[Id], n: int) -> Reasons:
    """Return the n rated items that speak most for each prediction, and those that speak most for each choice."""
    return _reasons(model, user, items, n, with_choices=True)


def _reasons(model: ModelArrays, user: Id | Profile, items: Iterable[Id], n: int, *, with_choices: bool) -> Reasons:
    profile, index = _rated_profile(model, user), find_ids(model, model.items, list(items)).ravel()
    check_count(n)
    rated, sums = _Rated(model, profile), _sums(model, profile, index, _user_shift(model, user), with_choices)
    return Reasons(rated.largest(sums.parts, n), None if sums.choices is None else rated.largest(sums.choices, n))


def _explain_indices(
    model: ModelArrays, user: Id | Profile, index: NDArray[np.int32], at: Moment | None
) -> list[Explanation]:
    if at is None:
        return _explanations(model, user, index)
    seconds = seconds_of(at)
    if model.times is None:
        return _explanations(model, user, index)
    if isinstance(user, Profile):
        raise SettingsError(NO_MOMENT)
    users = np.full(len(index), require_id(model, model.users, user))
    shifts = pair_shift(model, users, index, np.full(len(index), seconds, np.int64)).mean.tolist()
    explanations = []
    for one, shift, place in zip(_explanations(timed_model(model), user, index), shifts, index.tolist(), strict=True):
        attributes = _attribute_contributions(model, user, _rated_profile(model, user), place)
        explanations.append(one._replace(prediction=one.prediction + shift, time=shift, attributes=attributes))
    return explanations


def _explanations(model: ModelArrays, user: Id | Profile, index: NDArray[np.int32]) -> list[Explanation]:
    profile = _rated_profile(model, user)
    rated, sums = _Rated(model, profile), _sums(model, profile, index, _user_shift(model, user), True)
    remainders = sums.predictions - sums.intercepts - sums.parts.sum(axis=1)
    explanations = []
    for row, item in enumerate(index.tolist()):
        id, parts = model.items[item], sums.parts[row]
        explanations.append(
            Explanation(
                id,
                model.catalogue.title(id),
                float(sums.predictions[row]),
                float(sums.intercepts[row]),
                rated.contributions(parts, np.argsort(-np.abs(parts), kind="stable")),
                float(remainders[row]),
                () if sums.choices is None else rated.contributions(sums.choices[row]),
                _attribute_contributions(model, user, profile, item),
            )
        )
    return explanations


def _attribute_contributions(
    model: ModelArrays, user: Id | Profile, profile: Profile, item: int
) -> tuple[AttributeContribution, ...]:
    told: list[AttributeContribution] = []
    if model.item_features is not None:
        partner = np.append(profile.factors.astype(np.float64), 1.0)
        told += model.item_features.contributions(model.items[item], partner, "item")
    if model.user_features is not None and not isinstance(user, Profile):
        partner = np.append(model.item_factors[item].astype(np.float64), 1.0)
        told += model.user_features.contributions(user, partner, "user")
    return tuple(sorted(told, key=lambda one: -abs(one.contribution)))


def _user_shift(model: ModelArrays, user: Id | Profile) -> Doubles | None:
    """Return what the attributes of a user of the model add to the prior mean."""
    if model.user_features is None or isinstance(user, Profile):
        return None
    return model.user_features.shift(user)


def _rated_profile(model: ModelArrays, user: Id | Profile) -> Profile:
    if model.seen is None and not isinstance(user, Profile):
        raise DataError("this model keeps no ratings to explain from: fold in the user's ratings instead")
    return profile_of(model, user)


def _sums(
    model: ModelArrays, profile: Profile, index: NDArray[np.int32], shift: Doubles | None, with_choices: bool
) -> _Sums:
    """Write the predictions of items as sums. The user's equations are solved once, whatever the number of items."""
    head = model.choice_head
    if model.choice is not None and model.predicts == "choice":
        parts, intercepts = model.choice.contributions(profile.items, profile.ratings, index)
        return _Sums(parts, intercepts, intercepts + parts.sum(axis=1), None)
    before, shares = split_row(*user_equations(model, profile.items, profile.ratings, shift))
    targets = design_matrix(model.item_factors[index])
    base = model.intercept + model.item_bias[index].astype(np.float64)
    predictions = base + targets @ np.append(profile.factors.astype(np.float64), profile.bias)
    choices = None
    if with_choices and head is not None and model.predicts == "rating":
        choices, _ = head.contributions(profile.items, profile.ratings, index)
    return _Sums(targets @ shares.T, base + targets @ before, predictions, choices)


class _Rated:
    """The rated items of a profile, whose ids and titles are looked up once for many explanations."""

    def __init__(self, model: ModelArrays, profile: Profile) -> None:
        self.ids = [model.items[position] for position in profile.items.tolist()]
        self.titles = [model.catalogue.title(id) for id in self.ids]
        self.ratings = profile.ratings.tolist()

    def contribution(self, place: int, part: float) -> Contribution:
        return Contribution(self.ids[place], self.ratings[place], float(part), self.titles[place])

    def largest(self, parts: Doubles, n: int) -> list[list[Contribution]]:
        """Return, for each row of parts, the n largest contributions above 0, the largest first."""
        order = np.argsort(-parts, axis=1, kind="stable")[:, :n]
        largest = np.take_along_axis(parts, order, axis=1)
        return [
            [self.contribution(place, part) for place, part in zip(places, row, strict=True) if part > 0]
            for places, row in zip(order.tolist(), largest.tolist(), strict=True)
        ]

    def contributions(self, parts: Doubles, order: NDArray[np.integer] | None = None) -> tuple[Contribution, ...]:
        """Return one contribution for each rated item; by default the largest first."""
        order = np.argsort(-parts, kind="stable") if order is None else order
        return tuple(self.contribution(place, parts[place]) for place in order.tolist())
