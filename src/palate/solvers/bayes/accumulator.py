"""What is kept of the samples of a chain: running sums, from which the model and its posterior are made."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.model.row_solve import FactorPrior
from palate.model.uncertainty import Posterior
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.low_rank_mean import Average
from palate.solvers.bayes.predictive_spread import Probes
from palate.solvers.bayes.priors import learn_prior

__all__ = ["Kept", "Sides"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Sides(NamedTuple):
    """Factors (rows + 1, k) and biases (rows + 1,) of users and items; the last row has no ratings."""

    users: tuple[Floats, Floats]
    items: tuple[Floats, Floats]


class Kept:
    """Running sums over the samples of a chain.

    Parameters
    ----------
    ratings
        The table, scaled as the chain sees it.
    k
        Factors of the chain.
    seed
        Of the pairs whose spread is followed.
    run
        A pool.
    """

    def __init__(self, ratings: Ratings, k: int, seed: int, run: Run) -> None:
        users, items = len(ratings.users) + 1, len(ratings.items) + 1
        self.ratings, self.run = ratings, run
        self.average = Average(users, items, k, run)
        self.probes = Probes(ratings, np.random.default_rng([seed, 3]))
        self.user_noise, self.item_noise = np.zeros(users), np.zeros(items)
        # Sums of the variance of the noise, and of the precisions of both sides' sets.
        self.scales = np.zeros(3)

    def add(self, chain: Chain) -> None:
        """Add the state of a chain, with its number as weight: early states are far from the posterior."""
        weight = float(chain.sweeps)
        self.average.add(chain.users.expected(), chain.items.expected(), weight)
        self.probes.add(chain, weight, self.run)
        self.user_noise += weight * chain.users.variance
        self.item_noise += weight * chain.items.variance
        scales = 1 / chain.precision, chain.users.sets_precision, chain.items.sets_precision
        self.scales += weight * np.array(scales)

    def lost(self) -> float:
        """Return by how much the RMSE is larger, estimated as a share of it, because the chain is finite."""
        noise = float(self.scales[0] / max(self.average.total, 1))
        return self.probes.error() / (2 * noise)

    def state(self) -> tuple[dict[str, Any], list[float]]:
        """Return all sums, the weight of all samples and how much of the average is filled."""
        arrays = {name: getattr(self, name) for name in ("user_noise", "item_noise", "scales")}
        arrays |= {f"average.{name}": getattr(self.average, name) for name in Average.ARRAYS}
        arrays |= {f"probes.{name}": getattr(self.probes, name) for name in Probes.ARRAYS}
        return {f"kept.{name}": array for name, array in arrays.items()}, [
            self.average.total,
            self.average.filled,
            self.probes.stretch,
        ]

    def restore(self, arrays: dict[str, Any], counts: list[float]) -> None:
        """Go back to a state, taking its arrays out of `arrays`."""
        for name in [name for name in arrays if name.startswith("kept.")]:
            owner, _, part = name.removeprefix("kept.").rpartition(".")
            setattr(getattr(self, owner) if owner else self, part, arrays.pop(name))
        self.average.total, self.average.filled, self.probes.stretch = counts[0], int(counts[1]), int(counts[2])
        self.probes.total = counts[0]

    def sides(self) -> Sides:
        """Return the averaged factors and biases."""
        user_factors, item_factors, user_bias, item_bias = self.average.mean()
        return Sides((user_factors, user_bias), (item_factors, item_bias))

    def posterior(self, sides: Sides, sets: tuple[bool, bool], calibration: Floats) -> Posterior:
        """Return how sure the averages are; `sets` says which sides have rated sets."""
        total = self.average.total
        noise = float(self.scales[0] / total)
        user_noise, item_noise = self.user_noise / total, self.item_noise / total
        user_spread, item_spread = self.probes.spread()
        tables = self.ratings.by_user, self.ratings.by_item

        def prior(side: int, variance: Doubles) -> FactorPrior:
            rows, partners = np.column_stack(sides[side]).astype(np.float64), sides[1 - side][0][:-1]
            penalty = float(self.scales[1 + side] / total) if sets[side] else 0.0
            given = tables[side], tables[1 - side], rows[:-1], rows[-1], partners, variance[:-1]
            return learn_prior(*given, penalty, self.run)

        return Posterior(
            noise=noise,
            user_noise=user_noise.astype(np.float32),
            item_noise=item_noise.astype(np.float32),
            user_spread=user_spread,
            item_spread=item_spread,
            users=prior(0, noise * item_noise + item_spread),
            items=prior(1, noise * user_noise + user_spread),
            calibration=calibration,
        )
