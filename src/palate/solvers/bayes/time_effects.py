"""Draws the effects of time, and averages them over a chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.kernels.times import add_effect, draw_effect, row_residuals
from palate.model.time_effects import Clock, Effect, LearnedEffect, TimeEffects, earlier_ratings
from palate.parallel import Run
from palate.ratings import Grouped
from palate.solvers.bayes.state import SideState
from palate.solvers.half_step import balanced_ranges

__all__ = ["EFFECTS", "FIRST_SWEEP", "HeldOutGroups", "TimeDraws", "TimeSums"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
# Stretches of time of a user, from a single page of ratings to a day. Each is there twice, the second moved by half of
# its width, so that no moment is at the edge of both.
_WIDTHS = 30, 5 * _MINUTE, 3 * _HOUR, _DAY
#: The effects of the model.
EFFECTS = (
    Effect("item bins", 30 * _DAY),
    Effect("user bins", 1),
    *(Effect("user bins", width, offset) for width in _WIDTHS for offset in (0, width // 2)),
    Effect("count"),
    Effect("drift"),
)
#: Effects are drawn from this sweep on: before, the factors explain too little.
FIRST_SWEEP = 20
# Gamma prior of the precision of an effect's coefficients, and its first value.
_SHAPE, _RATE, _FIRST_PRECISION = 0.5, 0.005, 20.0
# On this many ratings at most the variance of sums of effects is observed.
_OBSERVED = 100_000


@dataclass
class _Groups:
    """The groups of one effect, and which ratings they hold: see `palate.kernels.times.draw_effect`."""

    effect: Effect
    keys: Integers
    order: NDArray[np.int32]
    starts: Integers
    regressor: Floats

    def __post_init__(self) -> None:
        self.ranges = balanced_ranges(self.starts)


class HeldOutGroups(NamedTuple):
    """Where the coefficients of some ratings are, with their regressors; one of each for every effect.

    Groups without training ratings have the place -1 and the regressor 0.
    """

    places: list[Integers]
    regressors: list[Floats]


class TimeDraws:
    """The effects of time in one chain: the present coefficients, and the ratings without them.

    Parameters
    ----------
    by_user, by_item
        Standardized ratings; their values are not changed.
    time
        int64: when each rating of `by_user` was given.
    run
        A pool.
    effects
        Which effects there are, drawn by turns in this order.

    Attributes
    ----------
    tables
        The ratings less all effects, grouped by user and by item. Their values change with each draw.
    coefficients
        float64: those of all groups, one effect after the other.
    precisions
        float64 (effects,): of each effect's coefficients.
    """

    #: What a checkpoint must hold.
    ARRAYS: ClassVar = ("coefficients", "precisions")

    def __init__(
        self, by_user: Grouped, by_item: Grouped, time: Integers, run: Run, effects: Sequence[Effect] = EFFECTS
    ) -> None:
        self.run, self.values, self.by_user = run, by_user.values, by_user
        self.item_order = np.argsort(by_user.indices, kind="stable").astype(np.int32)
        self.tables = by_user._replace(values=by_user.values.copy()), by_item._replace(values=by_item.values.copy())
        user = np.repeat(np.arange(len(by_user.indptr) - 1, dtype=np.int32), np.diff(by_user.indptr))
        self.time, self.earlier = time, earlier_ratings(by_user.indptr, time, user, time)
        self.clock = Clock.of(time, self.earlier)
        self.groups = self._grouped(effects, user)
        self.bounds = np.cumsum([0, *(len(one.keys) for one in self.groups)])
        self._coefficients = np.zeros(self.bounds[-1])
        self.precisions = np.full(len(effects), _FIRST_PRECISION)
        self.shift, self.residual, self.weight = (np.zeros(len(time), np.float32) for _ in range(3))

    def _grouped(self, effects: Sequence[Effect], user: NDArray[np.int32]) -> list[_Groups]:
        item, time, groups = self.by_user.indices, self.time, []
        by_time = {False: np.lexsort((time, user)).astype(np.int32), True: np.lexsort((time, item)).astype(np.int32)}
        ones = np.ones(len(time), np.float32)
        for effect in effects:
            keys = self.clock.keys(effect, item if effect.is_of_items else user, time, self.earlier)
            order = by_time[effect.is_of_items]
            if effect.kind == "count":
                order = np.argsort(keys, kind="stable").astype(np.int32)
            sorted_keys = keys[order]
            starts = np.flatnonzero(np.append(True, sorted_keys[1:] != sorted_keys[:-1]))
            regressor = self.clock.regressor(effect, self.earlier) if effect.kind == "drift" else ones
            groups.append(_Groups(effect, sorted_keys[starts], order, np.append(starts, len(time)), regressor))
        return groups

    def part(self, number: int) -> slice:
        """Return where the coefficients of an effect are."""
        return slice(int(self.bounds[number]), int(self.bounds[number + 1]))

    def start_from(self, times: TimeEffects, users: Integers, items: Integers, spread: float) -> None:
        """Replace the first coefficients by the means of a model, those of groups that it lacks by 0.

        Parameters
        ----------
        times
            What the model has learnt.
        users, items
            The index in the model of each row of the chain, -1 for those that it lacks.
        spread
            The standard deviation of the ratings before they were standardized.
        """
        user = np.repeat(np.arange(len(self.by_user.indptr) - 1), np.diff(self.by_user.indptr))
        coefficients, learned = np.zeros(len(self._coefficients)), {one.effect: one for one in times.effects}
        for number, one in enumerate(self.groups):
            if one.effect not in learned:
                continue
            known, first = learned[one.effect], one.order[one.starts[:-1]]
            rows = items[self.by_user.indices[first]] if one.effect.is_of_items else users[user[first]]
            keys = times.clock.keys(one.effect, rows, self.time[first], self.earlier[first])
            place = np.minimum(np.searchsorted(known.keys, keys), len(known.keys) - 1)
            is_known = (known.keys[place] == keys) & (keys >= 0)
            coefficients[self.part(number)] = np.where(is_known, known.mean[place] / spread, 0)
            self.precisions[number] = spread**2 / max(known.prior_variance, 1e-12)
        self.coefficients = coefficients

    def draw(self, users: SideState, items: SideState, precision: float, sweeps: int, seed: int) -> None:
        """Draw all coefficients, given the factors, the noise and `precision`, that of the noise; then the ratings."""
        if sweeps < FIRST_SWEEP:
            return
        rng = np.random.default_rng([seed, 4, sweeps])
        partners, biases = items.partners_and_biases()
        weights = (precision * users.rating_weight).astype(np.float32), items.rating_weight
        table = self.by_user.indptr, self.by_user.indices, self.values
        arguments = *table, users.factors, partners, biases, *weights, self.shift
        self.run(lambda rows: row_residuals(*arguments, *rows, self.residual, self.weight), users.ranges)
        self.shift[:] = 0
        for number in range(len(self.groups)):
            self._draw_effect(number, rng)
        self._subtract()

    def _draw_effect(self, number: int, rng: np.random.Generator) -> None:
        one, part = self.groups[number], self.part(number)
        coefficients, precision = self._coefficients[part], float(self.precisions[number])
        normals = rng.standard_normal(len(coefficients), dtype=np.float32)
        arguments = one.order, one.starts, one.regressor, self.weight, precision, normals
        drawn = coefficients, self.residual, self.shift
        self.run(lambda groups: draw_effect(*arguments, *groups, *drawn), one.ranges)
        rate = _RATE + np.square(coefficients).sum() / 2
        self.precisions[number] = rng.gamma(_SHAPE + len(coefficients) / 2) / rate

    def _subtract(self) -> None:
        by_user, by_item = self.tables
        np.subtract(self.values, self.shift, out=by_user.values)
        np.take(by_user.values, self.item_order, out=by_item.values)

    @property
    def coefficients(self) -> Doubles:
        """The present coefficients. Setting them also sets the ratings."""
        return self._coefficients

    @coefficients.setter
    def coefficients(self, values: Doubles) -> None:
        self._coefficients[:] = values
        self.shift[:] = 0
        for number in range(len(self.groups)):
            self._add(number, self._coefficients, self.shift)
        self._subtract()

    def _add(self, number: int, coefficients: Doubles, shift: NDArray[Any], power: int = 1) -> None:
        one = self.groups[number]
        arguments = one.order, one.starts, one.regressor**power
        part = coefficients[self.part(number)]
        self.run(lambda groups: add_effect(*arguments, *groups, part, shift), one.ranges)

    def unknown_variance(self, groups: HeldOutGroups) -> Doubles:
        """Return the variance of what groups without training ratings add to ratings, which `predict` leaves out."""
        pairs = zip(groups.places, self.precisions, strict=True)
        return np.asarray(np.sum([(places < 0) / precision for places, precision in pairs], axis=0))

    def total_variances(self, variances: Doubles) -> Doubles:
        """Return the variance of all effects of each rating, if coefficients with these variances were independent."""
        totals = np.zeros(len(self.time))
        for number in range(len(self.groups)):
            self._add(number, variances, totals, power=2)
        return totals

    def find(self, user: NDArray[np.integer], item: NDArray[np.integer], time: Integers) -> HeldOutGroups:
        """Return the groups of other ratings, by the chain's rows of users and items; -1 is the row without ratings."""
        indptr = self.by_user.indptr
        earlier = earlier_ratings(indptr, self.time, user, time)
        places, regressors = [], []
        for number, one in enumerate(self.groups):
            key = self.clock.keys(one.effect, item if one.effect.is_of_items else user, time, earlier)
            if one.effect.kind == "count":
                key = np.minimum(key, one.keys[-1])
            place = np.minimum(np.searchsorted(one.keys, key), len(one.keys) - 1)
            is_known = one.keys[place] == key
            places.append(np.where(is_known, self.bounds[number] + place, -1))
            regressors.append(self.clock.regressor(one.effect, earlier) * is_known)
        return HeldOutGroups(places, regressors)

    def predict(self, groups: HeldOutGroups) -> Doubles:
        """Return what the present coefficients add to ratings."""
        pairs = zip(*groups, strict=True)
        parts = [self._coefficients[places] * regressor for places, regressor in pairs]
        return np.asarray(np.sum(parts, axis=0))


class TimeSums:
    """Weighted sums of the coefficients over the states of a chain.

    The effects of one rating are far from independent: what one of them explains is left to none of the others. So the
    variance of their sum is observed too, on some ratings.

    Parameters
    ----------
    draws
        The effects of the chain.
    """

    #: What a checkpoint must hold.
    ARRAYS: ClassVar = ("coefficients", "squares", "prior_variances", "totals", "total_squares")

    def __init__(self, draws: TimeDraws) -> None:
        self.coefficients, self.squares = np.zeros(len(draws.coefficients)), np.zeros(len(draws.coefficients))
        self.prior_variances = np.zeros(len(draws.groups))
        count = len(draws.time)
        self.observed = np.unique(np.linspace(0, count - 1, min(count, _OBSERVED)).astype(np.int64))
        self.totals, self.total_squares = np.zeros(len(self.observed)), np.zeros(len(self.observed))

    def add(self, draws: TimeDraws, weight: float) -> None:
        """Add the present state."""
        self.coefficients += weight * draws.coefficients
        self.squares += weight * np.square(draws.coefficients)
        self.prior_variances += weight / draws.precisions
        totals = draws.shift[self.observed].astype(np.float64)
        self.totals += weight * totals
        self.total_squares += weight * np.square(totals)

    def effects(self, draws: TimeDraws, total_weight: float) -> tuple[LearnedEffect, ...]:
        """Return the mean effects, in standardized units.

        The variances of coefficients are reduced by one factor, with which they add up to the variances of sums.
        """
        means, variances = _moments(self.coefficients, self.squares, total_weight)
        if_independent = float(draws.total_variances(variances)[self.observed].sum())
        observed = float(_moments(self.totals, self.total_squares, total_weight)[1].sum())
        variances *= min(1.0, observed / if_independent) if if_independent > 0 else 1.0
        prior_variances = self.prior_variances / total_weight
        learned = []
        for number, one in enumerate(draws.groups):
            part = draws.part(number)
            mean, variance = means[part].astype(np.float32), variances[part].astype(np.float32)
            learned.append(LearnedEffect(one.effect, one.keys, mean, variance, float(prior_variances[number])))
        return tuple(learned)


def _moments(sums: Doubles, squares: Doubles, total_weight: float) -> tuple[Doubles, Doubles]:
    """Return means and variances."""
    means = sums / total_weight
    return means, np.maximum(0, squares / total_weight - np.square(means))
