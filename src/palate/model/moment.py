"""A model at a moment: what its effects of time add to predictions."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from palate.model.arrays import ModelArrays
from palate.model.time_effects import TimeShift, earlier_ratings
from palate.moments import Moment, seconds_of

__all__ = ["at_moment", "item_shift", "row_shift", "user_shift"]

AnyModel = TypeVar("AnyModel", bound=ModelArrays)
Indices = NDArray[np.integer]
Integers = NDArray[np.int64]


def user_shift(model: ModelArrays, user: Indices, time: Integers) -> TimeShift:
    """Return what moments add for users, by index (-1 is unknown): zeros without effects of time."""
    if model.times is None:
        return _no_shift(len(user))
    return model.times.user_shift(user, time, _earlier(model, user, time))


def item_shift(model: ModelArrays, item: Indices, time: Integers) -> TimeShift:
    """Return what moments add for items, by index (-1 is unknown): zeros without effects of time."""
    return _no_shift(len(item)) if model.times is None else model.times.item_shift(item, time)


def row_shift(model: ModelArrays, user: Indices, item: Indices, time: Integers) -> TimeShift:
    """Return what the moments of pairs add."""
    of_user, of_item = user_shift(model, user, time), item_shift(model, item, time)
    return TimeShift(of_user.mean + of_item.mean, of_user.variance + of_item.variance)


def at_moment(model: AnyModel, moment: Moment | None) -> AnyModel:
    """Return the model at a moment: see `palate.Model.at`."""
    times = model.times
    if times is None:
        if moment is not None:
            seconds_of(moment)  # an impossible moment is an error for any model
        return model
    users, items = np.arange(len(model.users)), np.arange(len(model.items))
    seconds = times.clock.last + 1 if moment is None else seconds_of(moment)
    at_users, at_items = (np.full(len(rows), seconds, np.int64) for rows in (users, items))
    # Without a moment the time is the next hour after all ratings: no stretch of a user's past goes on.
    of_users = times.user_shift(users, at_users, _earlier(model, users, at_users), bins=moment is not None)
    of_items = times.item_shift(items, at_items)
    posterior = model.posterior
    if posterior is not None:
        spreads = (posterior.user_spread, of_users.variance), (posterior.item_spread, of_items.variance)
        user_spread, item_spread = (np.maximum(0, spread + np.append(more, 0)) for spread, more in spreads)
        posterior = replace(posterior, user_spread=user_spread, item_spread=item_spread)
    return replace(
        model,
        user_bias=(model.user_bias + of_users.mean).astype(np.float32),
        item_bias=(model.item_bias + of_items.mean).astype(np.float32),
        posterior=posterior,
        times=None,
    )


def _earlier(model: ModelArrays, user: Indices, time: Integers) -> Integers:
    """Return how many training ratings each user gave before a moment; the usual number if the model keeps none."""
    if model.seen is None or model.seen_time is None:
        usual = 0.0 if model.times is None else np.expm1(model.times.clock.center)
        return np.full(len(user), int(usual), np.int64)
    return earlier_ratings(model.seen.indptr, model.seen_time, user, time)


def _no_shift(rows: int) -> TimeShift:
    return TimeShift(np.zeros(rows), np.zeros(rows))
