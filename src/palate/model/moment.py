"""A model at a moment: what its effects of time add to predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from palate.model.arrays import ModelArrays
from palate.model.time_effects import TimeShift, earlier_ratings
from palate.moments import Moment, seconds_of

__all__ = ["NO_MOMENT", "at", "pair_shift", "timed_model"]

AnyModel = TypeVar("AnyModel", bound=ModelArrays)
#: What is wrong with a profile from `palate.Model.fold_in` where a moment is named.
NO_MOMENT = "a profile was made without a moment: make it with fold_in of model.at(moment), and ask that model"

Indices = NDArray[np.integer]
Integers = NDArray[np.int64]


def timed_model(model: AnyModel) -> AnyModel:
    """Return the model with the factors that stand beside effects of time; a model without effects as it is.

    Its predictions lack the effects.
    """
    times = model.times
    if times is None:
        return model
    return replace(
        model,
        user_bias=times.user_bias,
        item_bias=times.item_bias,
        user_factors=times.user_factors,
        item_factors=times.item_factors,
        posterior=times.posterior,
        times=None,
        user_features=None,  # their weights belong to the other factors
        item_features=None,
    )


def pair_shift(model: ModelArrays, user: Indices, item: Indices, time: Integers) -> TimeShift:
    """Return what the effects of time add to pairs at their moments, by index; -1 is unknown. Zeros without effects."""
    if model.times is None:
        return TimeShift(np.zeros(len(user)), np.zeros(len(user)))
    of_users = model.times.user_shift(user, time, _earlier(model, user, time))
    of_items = model.times.item_shift(item, time)
    return TimeShift(of_users.mean + of_items.mean, of_users.variance + of_items.variance)


def at(model: AnyModel, moment: Moment) -> AnyModel:
    """Return the model at a moment: see `palate.Model.at`."""
    seconds, times = seconds_of(moment), model.times
    if times is None:
        return model
    users, items = np.arange(-1, len(model.users)), np.arange(-1, len(model.items))
    at_users, at_items = (np.full(len(rows), seconds, np.int64) for rows in (users, items))
    # The last entry of both is for unknown rows.
    of_users = times.user_shift(users, at_users, _earlier(model, users, at_users))
    of_items = times.item_shift(items, at_items)
    of_users, of_items = (TimeShift(*(np.roll(part, -1) for part in shift)) for shift in (of_users, of_items))
    posterior, timed = times.posterior, timed_model(model)
    return replace(
        timed,
        user_bias=(timed.user_bias + of_users.mean[:-1]).astype(np.float32),
        item_bias=(timed.item_bias + of_items.mean[:-1]).astype(np.float32),
        posterior=replace(
            posterior,
            user_spread=posterior.user_spread + of_users.variance,
            item_spread=posterior.item_spread + of_items.variance,
            users=posterior.users.moved(float(of_users.mean[-1])),
            items=posterior.items.moved(float(of_items.mean[-1])),
        ),
    )


def _earlier(model: ModelArrays, user: Indices, time: Integers) -> Integers:
    """Return how many training ratings each user gave before a moment; the usual number if the model keeps none."""
    if model.seen is None or model.seen_time is None:
        usual = 0.0 if model.times is None else np.expm1(model.times.clock.center)
        return np.full(len(user), int(usual), np.int64)
    return earlier_ratings(model.seen.indptr, model.seen_time, user, time)
