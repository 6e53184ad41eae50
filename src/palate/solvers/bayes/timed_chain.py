"""The chain with effects of time, which runs beside the chain of a model: see `palate.model.time_effects`."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.model import Model
from palate.model.moment import timed_model
from palate.model.time_effects import TimeEffects
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.bayes.accumulator import PosteriorAccumulator, PosteriorMeans, sweep_weight
from palate.solvers.bayes.attribute_effects import filled, with_attributes
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.start import start_from_als
from palate.solvers.bayes.state import ModelParts
from palate.solvers.bayes.time_effects import FIRST_SWEEP, TimeSums
from palate.solvers.bayes.warm import start_from_model
from palate.solvers.feature_rows import feature_rows

__all__ = ["TimedChain"]

# A sweep takes more time than one without effects of time, and later ones add little: 0.1% of the error on MovieLens.
_MOST_SWEEPS = 500
# Every second state is added to the sums: it is much like the one before.
_THINNING = 2
# Begins the names of this chain in a checkpoint.
_PREFIX = "timed."


class TimedChain:
    """A chain with effects of time, and the sums over its states.

    Parameters
    ----------
    table
        Standardized ratings with times.
    k, parts, seed, run
        As in `palate.solvers.bayes.chain.Chain`.
    """

    def __init__(self, table: Ratings, k: int, parts: ModelParts, seed: int, run: Run) -> None:
        self.chain = Chain(
            table.by_user, table.by_item, k, parts, seed, run, table.time_by_user, feature_rows(table, 1)
        )
        assert self.chain.times is not None
        self.times = self.chain.times
        self.accumulator, self.sums = PosteriorAccumulator(table, k, seed, run), TimeSums(self.times)

    def start(self) -> None:
        """Give the chain its first state."""
        start_from_als(self.chain.users, self.chain.items, self.chain.run)

    def start_from(self, model: Model, ratings: Ratings, spread: float) -> None:
        """Begin near where the chain with effects of time of a model ended."""
        start_from_model(self.chain, timed_model(model), ratings, spread)
        assert model.times is not None
        users, items = (getattr(model, side).index(getattr(ratings, side).ids) for side in ("users", "items"))
        self.times.start_from(model.times, np.append(users, -1), np.append(items, -1), spread)
        self.chain.sweeps = FIRST_SWEEP

    def sweep(self) -> None:
        """Draw each unknown once, and add every second state to the sums; do nothing after the last sweep."""
        if self.chain.sweeps == _MOST_SWEEPS:
            return
        self.chain.sweep()
        if self.chain.sweeps % _THINNING == 1:
            self.accumulator.add([self.chain], [1.0])
            self.sums.add(self.times, sweep_weight(self.chain.sweeps))

    def effects(self, spread: float, calibration: NDArray[np.float32]) -> TimeEffects:
        """Return what the chain has learnt, in rating points.

        Parameters
        ----------
        spread
            The standard deviation of the ratings before they were standardized.
        calibration
            Quantiles of standardized errors: see `palate.model.uncertainty.Posterior`.
        """
        chain, parts = self.chain, self.chain.parts
        wide, effects = with_attributes(
            self.accumulator.means(), (chain.users.features, chain.items.features),
            (chain.users.table, chain.items.table), chain.run,
        )  # fmt: skip
        has_sets = parts.user_sets, parts.item_sets
        # A model at a moment learns nothing from the attributes of new rows: its priors are of whole rows.
        posterior = self.accumulator.posterior(PosteriorMeans(*wide), has_sets, calibration, effects, has_shifts=False)
        means = filled(wide, effects)
        (user_factors, user_bias), (item_factors, item_bias) = means
        unit, root = np.float32(spread), np.float32(sqrt(spread))
        learned = self.sums.effects(self.times, self.accumulator.mean.total_weight)
        return TimeEffects(
            clock=self.times.clock,
            effects=tuple(one.rescaled(spread) for one in learned),
            user_bias=user_bias[:-1] * unit,
            item_bias=item_bias[:-1] * unit,
            user_factors=user_factors[:-1] * root,
            item_factors=item_factors[:-1] * root,
            posterior=posterior.rescaled(spread),
        )

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return all arrays and numbers that the next sweep depends on, by name."""
        arrays, numbers = self.chain.state()
        sums, counts = self.accumulator.state()
        arrays |= sums | {f"kept.times.{name}": getattr(self.sums, name) for name in TimeSums.ARRAYS}
        return {_PREFIX + name: array for name, array in arrays.items()}, {"numbers": numbers, "counts": counts}

    def restore(self, arrays: dict[str, Any], state: dict[str, Any]) -> None:
        """Set what `state` returned; its arrays are taken out of `arrays`."""
        mine = {name.removeprefix(_PREFIX): arrays.pop(name) for name in list(arrays) if name.startswith(_PREFIX)}
        for name in TimeSums.ARRAYS:
            setattr(self.sums, name, mine.pop(f"kept.times.{name}"))
        self.accumulator.restore(mine, state["counts"])
        self.chain.restore(mine, state["numbers"])
