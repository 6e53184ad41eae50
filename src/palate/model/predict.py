"""Predicted ratings and their intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.errors import SettingsError
from palate.model.arrays import Floats, Id, ModelArrays
from palate.model.choice import ChoiceHead, WeightsHead
from palate.model.lookup import check_profile, find_ids
from palate.model.moment import NO_MOMENT, pair_shift, timed_model
from palate.model.profile import Profile
from palate.model.uncertainty import Posterior, Prediction
from palate.moments import Moment, seconds_of
from palate.ranking import scores
from palate.ratings import Ratings

__all__ = ["deviation_table", "interval_table", "predict", "predict_table"]

# How many factors are gathered at once.
_BATCH_CELLS = 1 << 22

Unknown = Literal["error", "mean"]
Variance = Callable[[Posterior], Any]


def predict(
    model: ModelArrays,
    user: Id | Profile | ArrayLike,
    item: Id | Profile | ArrayLike,
    unknown: Unknown,
    interval: float | None,
    at: Moment | None = None,
) -> Any:
    """Predict ratings: see `palate.Model.predict`."""
    if unknown not in ("error", "mean"):
        raise SettingsError(f"unknown ids are an 'error' or get the 'mean', not {unknown!r}")
    seconds = None if at is None else seconds_of(at)
    is_timed = seconds is not None and model.times is not None
    if is_timed and (isinstance(user, Profile) or isinstance(item, Profile)):
        raise SettingsError(NO_MOMENT)
    if isinstance(user, Profile):
        prediction, variance = _predict_for_new_user(model, user, item, unknown)
    elif isinstance(item, Profile):
        prediction, variance = _predict_for_new_item(model, user, item, unknown)
    else:
        prediction, variance = _predict_pairs(model, user, item, unknown, seconds if is_timed else None)
    rating = _float32(model.scale.clip(prediction))
    if interval is None:
        return rating
    posterior = _posterior(model, is_timed)
    reach = posterior.width(interval) * np.sqrt(variance(posterior))
    low, high = model.scale.clip(prediction - reach), model.scale.clip(prediction + reach)
    return Prediction(rating, _float32(low), _float32(high))


def _posterior(model: ModelArrays, is_timed: bool) -> Posterior:
    return model.times.posterior if is_timed and model.times else model.require_posterior()


# Each of the next three returns predictions, not clipped, and what computes their variance if an interval is wanted.


def _predict_pairs(
    model: ModelArrays, user: Any, item: Any, unknown: Unknown, seconds: int | None
) -> tuple[Any, Variance]:
    u, i = find_ids(model, model.users, user, unknown), find_ids(model, model.items, item, unknown)
    if u.shape != i.shape:
        try:
            u, i = np.broadcast_arrays(u, i)
        except ValueError as error:
            raise SettingsError(f"users {u.shape} and items {i.shape} cannot be paired: {error}") from error
    if seconds is not None:
        prediction, variance = _predict_at(model, u.ravel(), i.ravel(), np.full(u.size, seconds, np.int64))
        return prediction.reshape(u.shape), lambda posterior: variance(posterior).reshape(u.shape)
    prediction = _predict_indices(model, u.ravel(), i.ravel()).reshape(u.shape)
    return prediction, lambda posterior: posterior.variance(u, i)


def _predict_at(
    model: ModelArrays, user: NDArray[np.int32], item: NDArray[np.int32], time: NDArray[np.int64]
) -> tuple[Any, Variance]:
    """Predict pairs of indices at their moments, by the factors beside the effects of time and by these effects."""
    shift = pair_shift(model, user, item, time)
    prediction = _predict_indices(timed_model(model), user, item) + shift.mean
    return prediction, lambda posterior: posterior.variance(user, item) + shift.variance


def _choose_indices(model: ModelArrays, head: ChoiceHead, user: NDArray[np.int32], item: NDArray[np.int32]) -> Floats:
    """Return the choice scores of pairs of indices: an unknown id, or a model without ratings, gives the mean."""
    values = np.full(len(user), model.mean, np.float32)
    if model.seen is None:
        return values
    rows = np.argsort(user, kind="stable")
    known = rows[(user[rows] >= 0) & (item[rows] >= 0)]
    for some in np.split(known, np.flatnonzero(np.diff(user[known])) + 1):
        if len(some):
            values[some] = head.user_scores(user[some[:1]], model.seen)[0, item[some]]
    return values


def _predict_for_new_user(model: ModelArrays, user: Profile, item: Any, unknown: Unknown) -> tuple[Any, Variance]:
    check_profile(model, user, "user")
    if isinstance(item, Profile):
        check_profile(model, item, "item")
        raise SettingsError("a new user and a new item cannot be predicted together: one must be an id")
    i = find_ids(model, model.items, item, unknown)
    if model.choice is not None and model.predicts == "choice":
        values = model.choice.new_user_scores(user.items, user.ratings)
        return np.where(i < 0, np.float32(model.mean), values[i]), lambda posterior: posterior
    unrated = None if model.posterior is None else model.posterior.items.mean
    prediction = _predict_for_profile(model, user, model.item_factors, model.item_bias, unrated, i)
    return prediction, lambda posterior: posterior.folded_user_variance(user, model.item_factors, i)


def _predict_for_new_item(model: ModelArrays, user: Any, item: Profile, unknown: Unknown) -> tuple[Any, Variance]:
    check_profile(model, item, "item")
    u = find_ids(model, model.users, user, unknown)
    if isinstance(model.choice, WeightsHead) and model.predicts == "choice":
        return _weigh_for_new_item(model, model.choice, item, u), lambda posterior: posterior
    unrated = None if model.posterior is None else model.posterior.users.mean
    prediction = _predict_for_profile(model, item, model.user_factors, model.user_bias, unrated, u)
    return prediction, lambda posterior: posterior.folded_item_variance(item, model.user_factors, u)


def _weigh_for_new_item(model: ModelArrays, head: WeightsHead, item: Profile, user: NDArray[np.int32]) -> Any:
    """Return the sum of the new item's weights over what each user chose; an unknown user has the mean."""
    values = np.full(user.size, model.mean, np.float32)
    for place, index in enumerate(user.ravel().tolist()):
        if index >= 0 and model.seen is not None:
            items, ratings = model.seen[index]
            chosen = items if head.liked is None else items[ratings >= head.liked]
            values[place] = item.factors[chosen].sum()
    return values.reshape(user.shape)


def _predict_for_profile(
    model: ModelArrays,
    profile: Profile,
    factors: Floats,
    bias: Floats,
    unrated: NDArray[np.float64] | None,
    index: NDArray[np.int32],
) -> Any:
    """Predict a profile with rows of the other side; `unrated` are the expected parameters of index -1."""
    rows, offset = index.ravel(), model.intercept + profile.bias
    known = scores(factors[rows], bias[rows], profile.factors, offset).reshape(index.shape)
    if unrated is None:
        return np.where(index < 0, model.mean + profile.bias, known)
    return np.where(index < 0, offset + unrated[-1] + profile.factors @ unrated[:-1], known)


def predict_table(model: ModelArrays, ratings: Ratings) -> Floats:
    """Predict every row of a table: see `palate.Model.predict_table`."""
    return np.asarray(model.scale.clip(_predict_rows(model, ratings)[0]), np.float32)


def deviation_table(model: ModelArrays, ratings: Ratings) -> Floats | None:
    """Return the standard deviation of every row: see `palate.Model.deviation_table`."""
    if model.posterior is None:
        return None
    variance = _predict_rows(model, ratings)[1]
    return np.asarray(np.sqrt(variance(_posterior(model, _has_moments(model, ratings)))), np.float32)


def interval_table(model: ModelArrays, ratings: Ratings, level: float) -> tuple[Floats, Floats] | None:
    """Return the interval of every row: see `palate.Model.interval_table`."""
    if model.posterior is None:
        return None
    prediction, variance = _predict_rows(model, ratings)
    posterior = _posterior(model, _has_moments(model, ratings))
    reach = posterior.width(level) * np.asarray(np.sqrt(variance(posterior)), np.float32)
    return _float32(model.scale.clip(prediction - reach)), _float32(model.scale.clip(prediction + reach))


def _has_moments(model: ModelArrays, ratings: Ratings) -> bool:
    return model.times is not None and ratings.time is not None


def _predict_rows(model: ModelArrays, ratings: Ratings) -> tuple[Any, Variance]:
    """Predict the rows of a table, not clipped: at their times if there are any and the model has effects of time."""
    user = model.users.index(ratings.users.ids)[ratings.user]
    item = model.items.index(ratings.items.ids)[ratings.item]
    if _has_moments(model, ratings) and ratings.time is not None:
        return _predict_at(model, user, item, ratings.time)
    return _predict_indices(model, user, item), lambda posterior: posterior.variance(user, item)


def _predict_indices(model: ModelArrays, user: NDArray[np.int32], item: NDArray[np.int32]) -> Floats:
    """Return intercept + biases + product of factors for pairs of indices, not clipped; -1 is unknown."""
    if model.choice is not None and model.predicts == "choice":
        return _choose_indices(model, model.choice, user, item)
    predictions = np.empty(len(user), np.float32)
    step = max(1, _BATCH_CELLS // max(1, model.factors))
    for start in range(0, len(user), step):
        u, i = user[start : start + step], item[start : start + step]
        p, q, b, c = model.user_factors[u], model.item_factors[i], model.user_bias[u], model.item_bias[i]
        if model.posterior is not None:
            new_user, new_item = model.posterior.users.mean, model.posterior.items.mean
            p[u < 0], b[u < 0], q[i < 0], c[i < 0] = new_user[:-1], new_user[-1], new_item[:-1], new_item[-1]
            predictions[start : start + step] = model.intercept + b + c + np.einsum("nk,nk->n", p, q)
        else:
            b[u < 0], c[i < 0] = 0, 0
            base = np.where((u >= 0) & (i >= 0), model.intercept + np.einsum("nk,nk->n", p, q), model.mean)
            predictions[start : start + step] = b + c + base
    return predictions


def _float32(values: Any) -> Any:
    single = np.asarray(values, np.float32)
    return float(single) if single.ndim == 0 else single
