r"""Effects of time on ratings: what the moment of a rating adds to the prediction.

An effect puts each rating into a group g and gives it a regressor x; its part of the prediction is :math:`c_g x`. There
are four kinds:

- "user bins" and "item bins": a bias of one user (item) in one stretch of time, such as a day (x = 1);
- "count": a bias that all users share, by the logarithm of 1 + the number of the user's earlier ratings (x = 1);
- "drift": a slope of one user over that logarithm, standardized (x).

A rating counts as earlier if it was given in an earlier second. Groups without training ratings have the coefficient 0
and the variance of the prior.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.model.uncertainty import Posterior

__all__ = ["Clock", "Effect", "EffectKind", "LearnedEffect", "TimeEffects", "TimeShift", "earlier_ratings"]

EffectKind = Literal["user bins", "item bins", "count", "drift"]
Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

# Steps of the count effect for each unit of log(1 + earlier ratings).
_COUNT_STEPS = 4
# Seconds since the first training rating are kept within this.
_MOST_SECONDS = 2**32 - 1
# Moments, in seconds since 1970, are smaller; so are widths.
_GREATEST = 2**41
# For more users than this the times of all are sorted at once.
_FEW_USERS = 64
_ARRAYS = ("keys", "mean", "variance")
_PARAMETERS = ("user_bias", "item_bias", "user_factors", "item_factors")


class Effect(NamedTuple):
    """One effect: its kind and, for bins, their width and by how much they are moved, in seconds."""

    kind: EffectKind
    width: int = 0
    offset: int = 0

    @property
    def is_of_items(self) -> bool:
        """Whether the groups are stretches of items; all other effects are of users."""
        return self.kind == "item bins"


class Clock(NamedTuple):
    """What turns moments and counts into groups and regressors; learnt from the training ratings.

    Attributes
    ----------
    first, last
        The first and the last training time, in seconds since 1970. Only moments between them are in a stretch of time
        with ratings.
    center, scale
        Mean and standard deviation of log(1 + earlier ratings) over the training ratings.
    """

    first: int
    last: int
    center: float
    scale: float

    @classmethod
    def of(cls, time: Integers, earlier: Integers) -> Clock:
        """Return the clock of a table, given the time and the number of earlier ratings of each rating."""
        logs = np.log1p(earlier)
        return cls(int(time.min()), int(time.max()), float(logs.mean()), float(logs.std()) or 1.0)

    def bins(self, effect: Effect) -> int:
        """Return how many stretches of an effect there are between the first and the last time."""
        return (self.last - self.first + effect.offset) // effect.width + 1

    def keys(self, effect: Effect, row: NDArray[np.integer], time: Integers, earlier: Integers) -> Integers:
        """Return a number for the group of each rating; -1 where there can be no such group.

        Parameters
        ----------
        effect
            What puts ratings into groups.
        row
            The index of the user, or of the item for an effect of items; -1 is unknown.
        time, earlier
            int64: the moment, and how many ratings the user had given before.
        """
        if effect.kind == "count":
            return (_COUNT_STEPS * np.log1p(earlier)).astype(np.int64)
        if effect.kind == "drift":
            return row.astype(np.int64)
        bins = self.bins(effect)
        place = (time - self.first + effect.offset) // effect.width
        return np.where((row >= 0) & (place >= 0) & (place < bins), row.astype(np.int64) * bins + place, -1)

    def regressor(self, effect: Effect, earlier: Integers) -> Floats:
        """Return the regressor of each rating: float32."""
        if effect.kind != "drift":
            return np.ones(len(earlier), np.float32)
        return ((np.log1p(earlier) - self.center) / self.scale).astype(np.float32)


class LearnedEffect(NamedTuple):
    """An effect with its coefficients.

    Attributes
    ----------
    effect
        The effect.
    keys
        int64 (groups,), ascending: the numbers of the groups, see `Clock.keys`.
    mean, variance
        float32 (groups,): of each coefficient, in rating points and their squares.
    prior_variance
        Of the coefficient of a group without ratings.
    """

    effect: Effect
    keys: Integers
    mean: Floats
    variance: Floats
    prior_variance: float

    def rescaled(self, spread: float) -> LearnedEffect:
        """Return the effect for ratings that were divided by `spread` before the fit."""
        mean, variance = self.mean * np.float32(spread), self.variance * np.float32(spread**2)
        return self._replace(mean=mean, variance=variance, prior_variance=self.prior_variance * spread**2)

    def part(self, clock: Clock, row: NDArray[np.integer], time: Integers, earlier: Integers) -> TimeShift:
        """Return what the effect adds at some moments, and its variance."""
        key = clock.keys(self.effect, row, time, earlier)
        if not len(self.keys):
            return TimeShift(np.zeros(len(row)), self.prior_variance * self._squared(clock, earlier))
        if self.effect.kind == "count":
            key = np.minimum(key, self.keys[-1])  # beyond the most ratings of a user the last step goes on
        place = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        is_known = self.keys[place] == key
        x = clock.regressor(self.effect, earlier).astype(np.float64)
        mean = np.where(is_known, self.mean[place] * x, 0.0)
        variance = np.where(is_known, self.variance[place], self.prior_variance) * x**2
        return TimeShift(mean, variance)

    def _squared(self, clock: Clock, earlier: Integers) -> Doubles:
        return np.square(clock.regressor(self.effect, earlier).astype(np.float64))

    def fits(self) -> bool:
        """Whether the arrays belong together, and all numbers are finite."""
        kind, width, offset = self.effect
        arrays = (self.keys, np.int64), (self.mean, np.float32), (self.variance, np.float32)
        if any(part.ndim != 1 or part.dtype != dtype or len(part) != len(self.keys) for part, dtype in arrays):
            return False
        is_bins = kind in ("user bins", "item bins") and 0 <= offset < width < _GREATEST
        if not (is_bins or kind in ("count", "drift")) or not (np.diff(self.keys) > 0).all():
            return False
        is_finite = np.isfinite(self.mean).all() and np.isfinite(self.variance).all()
        return bool(is_finite and self.variance.min(initial=0) >= 0 and 0 <= self.prior_variance < np.inf)

    def moved(self, clock: Clock, move: NDArray[np.integer]) -> LearnedEffect:
        """Return the effect with other indices of its users or items.

        Parameters
        ----------
        clock
            What numbers the groups.
        move
            (rows,): the new index of each row; -1 for a row that is removed with its groups.
        """
        if self.effect.kind == "count":
            return self
        bins = 1 if self.effect.kind == "drift" else clock.bins(self.effect)
        row, place = np.divmod(self.keys, bins)
        order = np.argsort(move[row], kind="stable")
        order = order[move[row[order]] >= 0]
        keys = move[row[order]].astype(np.int64) * bins + place[order]
        return self._replace(keys=keys, mean=self.mean[order], variance=self.variance[order])


class TimeShift(NamedTuple):
    """What moments add to predictions, and to the variances of ratings: float64 arrays of one shape."""

    mean: Doubles
    variance: Doubles


@dataclass(frozen=True, eq=False)
class TimeEffects:
    """The answer of a model to questions that name a moment: effects of time, and the factors beside them.

    What the factors are depends on whether effects of time explain a part of the ratings. So a model with effects has
    two sets of factors. Its own know nothing of times, and they answer where no moment is named.

    Attributes
    ----------
    clock
        What turns moments into groups.
    effects
        The effects with their coefficients.
    user_bias, item_bias, user_factors, item_factors, posterior
        As in `palate.Model`; a prediction at a moment is that of these, plus the effects.
    """

    clock: Clock
    effects: tuple[LearnedEffect, ...]
    user_bias: Floats
    item_bias: Floats
    user_factors: Floats
    item_factors: Floats
    posterior: Posterior

    def user_shift(self, user: NDArray[np.integer], time: Integers, earlier: Integers) -> TimeShift:
        """Return what moments add for users.

        Parameters
        ----------
        user
            Indices; -1 is a user without ratings.
        time
            int64, as many: seconds since 1970.
        earlier
            int64, as many: how many ratings each user had given before.
        """
        return self._shift(user, time, earlier, of_items=False)

    def item_shift(self, item: NDArray[np.integer], time: Integers) -> TimeShift:
        """Return what moments add for items, by index; -1 is an item without ratings."""
        return self._shift(item, time, np.zeros(len(item), np.int64), of_items=True)

    def _shift(self, row: NDArray[np.integer], time: Integers, earlier: Integers, *, of_items: bool) -> TimeShift:
        mean, variance = np.zeros(len(row)), np.zeros(len(row))
        for one in self.effects:
            if one.effect.is_of_items == of_items:
                part = one.part(self.clock, row, time, earlier)
                mean, variance = mean + part.mean, variance + part.variance
        return TimeShift(mean, variance)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays by name, for a file, but for those of the posterior."""
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in _PARAMETERS}
        for number, one in enumerate(self.effects):
            arrays |= {f"{number}.{name}": getattr(one, name) for name in _ARRAYS}
        return arrays

    def settings(self) -> dict[str, Any]:
        """Return all that is no array as plain values, for a file."""
        effects = [{**one.effect._asdict(), "prior_variance": one.prior_variance} for one in self.effects]
        return {"clock": self.clock._asdict(), "effects": effects, "noise": self.posterior.noise}

    @classmethod
    def restored(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], posterior: Posterior
    ) -> TimeEffects:
        """Return the effects with these settings and arrays.

        Raises
        ------
        KeyError, TypeError
            If a part is missing.
        """
        effects = []
        for number, one in enumerate(settings["effects"]):
            effect = Effect(one["kind"], one["width"], one["offset"])
            keys, mean, variance = (arrays[f"{number}.{name}"] for name in _ARRAYS)
            effects.append(LearnedEffect(effect, keys, mean, variance, one["prior_variance"]))
        parameters = {name: arrays[name] for name in _PARAMETERS}
        return cls(Clock(**settings["clock"]), tuple(effects), **parameters, posterior=posterior)

    def fits(self, users: int, items: int) -> bool:
        """Whether the parts, but for the posterior, belong to a model of this size and all numbers are finite."""
        parameters = [getattr(self, name) for name in _PARAMETERS]
        k = self.item_factors.shape[-1]
        if [part.shape for part in parameters] != [(users,), (items,), (users, k), (items, k)]:
            return False
        if any(part.dtype != np.float32 or not np.isfinite(part).all() for part in parameters):
            return False
        clock = self.clock
        is_clock = -_GREATEST < clock.first <= clock.last < clock.first + _GREATEST and 0 < clock.scale < np.inf
        return is_clock and bool(np.isfinite(clock.center)) and all(one.fits() for one in self.effects)

    def without_users(self, keep: NDArray[np.bool_]) -> TimeEffects:
        """Return the effects without those of some users.

        Parameters
        ----------
        keep
            bool, (users,): which users are kept.
        """
        return replace(
            self,
            effects=self.moved_effects(np.where(keep, np.cumsum(keep) - 1, -1), None),
            user_bias=self.user_bias[keep],
            user_factors=self.user_factors[keep],
            posterior=self.posterior.without_users(keep),
        )

    def moved_effects(self, users: NDArray[np.integer], items: NDArray[np.integer] | None) -> tuple[LearnedEffect, ...]:
        """Return the effects with other indices of users and items, see `LearnedEffect.moved`; None to keep them."""
        moves = {False: users, True: items}
        return tuple(
            one if (move := moves[one.effect.is_of_items]) is None else one.moved(self.clock, move)
            for one in self.effects
        )


def earlier_ratings(indptr: Integers, rated: Integers, user: NDArray[np.integer], time: Integers) -> Integers:
    """Return how many of its ratings each user gave before a moment.

    Parameters
    ----------
    indptr, rated
        int64: user u gave the ratings ``indptr[u]`` to ``indptr[u + 1]`` at the times ``rated``, in any order.
    user, time
        Indices, -1 for a user without ratings, and int64 moments, as many.

    Examples
    --------
    >>> indptr, rated = np.array([0, 3, 4]), np.array([7, 5, 5, 6])
    >>> earlier_ratings(indptr, rated, np.array([0, 0, 0, 1, -1]), np.array([5, 6, 9, 9, 9]))
    array([0, 2, 3, 1, 0])
    """
    earlier = np.zeros(len(user), np.int64)
    asked = np.unique(user[user >= 0])
    if len(asked) <= _FEW_USERS:
        for one in asked.tolist():
            rows = user == one
            earlier[rows] = np.searchsorted(np.sort(rated[indptr[one] : indptr[one + 1]]), time[rows])
        return earlier
    first = rated.min()

    def key(row: NDArray[np.integer], moment: Integers) -> Integers:
        return np.asarray(row.astype(np.int64) * (_MOST_SECONDS + 1) + np.clip(moment - first, 0, _MOST_SECONDS))

    owner = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    before = np.searchsorted(np.sort(key(owner, rated)), key(user, time))
    return np.where(user >= 0, before - indptr[user], 0)
