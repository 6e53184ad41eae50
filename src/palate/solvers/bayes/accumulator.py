"""Accumulates the samples of a chain: running sums, from which the model and its posterior are made."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.model.row_solve import FactorPrior
from palate.model.uncertainty import Posterior
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.bayes.attribute_effects import AttributeEffects
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.low_rank_mean import LowRankMean
from palate.solvers.bayes.predictive_spread import PredictiveSpread
from palate.solvers.bayes.priors import learn_prior

__all__ = ["PastMean", "PosteriorAccumulator", "PosteriorMeans", "sweep_weight"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Names in a checkpoint: they are part of its format.
_SUMS = {"kept.user_noise": "user_noise", "kept.item_noise": "item_noise", "kept.scales": "scales"}
_MEAN = {f"kept.average.{name}": name for name in LowRankMean.ARRAYS}
_SPREAD = {"kept.probes.mean": "mean", "kept.probes.squares": "squares", "kept.probes.blocks": "batches"}


class PosteriorMeans(NamedTuple):
    """Mean factors (rows + 1, k) and biases (rows + 1,) of users and items; the last row has no ratings."""

    users: tuple[Floats, Floats]
    items: tuple[Floats, Floats]


class PastMean(NamedTuple):
    """What is known from an earlier chain, in standardized units.

    Attributes
    ----------
    rows
        float32 (users + 1, r + 1) and (items + 1, r + 1): mean factors and biases.
    noise
        (users + 1,) and (items + 1,): the relative variances of the noise.
    scales
        The variance of the noise, and for each side the precision of its set weights times the share of chains with
        such sets; then these two shares.
    """

    rows: tuple[Floats, Floats]
    noise: tuple[Doubles, Doubles]
    scales: tuple[float, ...]


def sweep_weight(number: int) -> float:
    """Return the weight of a sweep in every mean: its root, since early states may be far from the posterior."""
    return sqrt(number)


class PosteriorAccumulator:
    """Running sums over the samples of a chain.

    Parameters
    ----------
    ratings
        The standardized table of the chain.
    k
        The number of factors of the chain.
    seed
        Of the pairs on which the spread of predictions is observed.
    run
        A pool.
    """

    def __init__(self, ratings: Ratings, k: int, seed: int, run: Run) -> None:
        users, items = len(ratings.users) + 1, len(ratings.items) + 1
        self.ratings, self.run = ratings, run
        self.mean = LowRankMean(ratings.user_counts, ratings.item_counts, k, run)
        self.spread = PredictiveSpread(ratings, np.random.default_rng([seed, 3]))
        self.user_noise, self.item_noise = np.zeros(users), np.zeros(items)
        # Sums of the variance of the noise, and of the precisions of the set weights of both sides, each with the
        # weights of the chains that have such sets.
        self.scales = np.zeros(5)

    def add(self, chains: Sequence[Chain], shares: Sequence[float]) -> None:
        """Add the present states of some chains, each with its share, weighted by `sweep_weight`."""
        for chain, share in zip(chains, shares, strict=True):
            weight = share * sweep_weight(chain.sweeps)
            self.mean.add(chain.users.expected(), chain.items.expected(), weight)
            self.spread.add(chain, share, weight, self.run)
            self.user_noise += weight * chain.users.variance
            self.item_noise += weight * chain.items.variance
            users, items = weight * chain.parts.user_sets, weight * chain.parts.item_sets
            precisions = users * chain.users.sets_precision, items * chain.items.sets_precision
            self.scales += np.array([weight / chain.precision, *precisions, users, items])
        self.spread.end_sweep(chains[0].sweeps)

    def add_past(self, past: PastMean, share: float, sweeps: int) -> None:
        """Add the mean over an earlier chain, so that it has this share after this number of sweeps.

        How far predictions vary is observed on the new draws alone.
        """
        weight = share / (1 - share) * sum(map(sweep_weight, range(1, sweeps + 1)))
        self.mean.add(*past.rows, weight)
        self.user_noise += weight * past.noise[0]
        self.item_noise += weight * past.noise[1]
        self.scales += weight * np.array(past.scales)

    def error_left(self) -> float:
        """Return the estimated share of the RMSE that is due to the finite length of the chain.

        The mean over an earlier chain is taken to be exact.
        """
        noise = float(self.scales[0] / max(self.mean.total_weight, 1))
        share = self.spread.total_weight / max(self.mean.total_weight, 1)
        return share**2 * self.spread.mean_error() / (2 * noise)

    def state(self) -> tuple[dict[str, Any], list[float]]:
        """Return all sums by name, and the total weight, filled columns, sweeps of a batch, and weight of the draws."""
        arrays = {
            key: getattr(owner, name)
            for owner, names in ((self, _SUMS), (self.mean, _MEAN), (self.spread, _SPREAD))
            for key, name in names.items()
        }
        weights = self.mean.total_weight, self.spread.total_weight
        return arrays, [weights[0], self.mean.filled, self.spread.batch_sweeps, weights[1]]

    def restore(self, arrays: dict[str, Any], numbers: list[float]) -> None:
        """Set what `state` returned; its arrays are taken out of `arrays`."""
        for owner, names in ((self, _SUMS), (self.mean, _MEAN), (self.spread, _SPREAD)):
            for key, name in names.items():
                setattr(owner, name, arrays.pop(key))
        self.mean.total_weight, self.spread.total_weight = numbers[0], numbers[3]
        self.mean.filled, self.spread.batch_sweeps = int(numbers[1]), int(numbers[2])

    def _usual_variance(
        self, side: int, noise: float, noises: tuple[Doubles, Doubles], spreads: tuple[Doubles, Doubles]
    ) -> float:
        """Return the mean variance of the ratings of a row without any, beside what is uncertain about that row."""
        counts = (self.ratings.user_counts, self.ratings.item_counts)[1 - side]
        other_noise, other_spread = (float(counts @ one[1 - side][:-1] / counts.sum()) for one in (noises, spreads))
        return noise * float(noises[side][-1]) * other_noise + other_spread

    def means(self) -> PosteriorMeans:
        """Return the mean factors and biases."""
        user_factors, item_factors, user_bias, item_bias = self.mean.mean()
        return PosteriorMeans((user_factors, user_bias), (item_factors, item_bias))

    def posterior(
        self,
        means: PosteriorMeans,
        has_sets: tuple[bool, bool],
        calibration: Floats,
        effects: Sequence[AttributeEffects | None] = (None, None),
        *,
        has_shifts: bool = True,
    ) -> Posterior:
        """Return how sure the means are, in standardized units.

        Parameters
        ----------
        means
            From `means`.
        has_sets
            Whether the users, and the items, have rated sets.
        calibration
            Quantiles of standardized errors: see `palate.model.uncertainty.Posterior`.
        effects
            What attributes say of the rows of users and of items. None without attributes.
        has_shifts
            Whether the priors are of what is left then, as new rows are told their attributes; else of whole rows.
        """
        total = self.mean.total_weight
        noise = float(self.scales[0] / total)
        user_noise, item_noise = self.user_noise / total, self.item_noise / total
        spreads, noises = self.spread.spread(), (user_noise, item_noise)
        user_spread, item_spread = (
            spread
            if effect is None
            else effect.unrated_spread(spread, self._usual_variance(side, noise, noises, spreads))
            for side, (spread, effect) in enumerate(zip(spreads, effects, strict=True))
        )
        tables = self.ratings.by_user, self.ratings.by_item

        def prior(side: int, partner_variance: Doubles) -> FactorPrior:
            rows, partners = np.column_stack(means[side]).astype(np.float64), means[1 - side][0][:-1]
            effect = effects[side]
            if effect is not None and has_shifts:
                rows -= effect.rated_rows
            return learn_prior(
                tables[side],
                tables[1 - side],
                rows=rows[:-1],
                mean=rows[-1].copy(),
                partners=partners,
                noise=partner_variance[:-1],
                sets_penalty=float(self.scales[1 + side] / self.scales[3 + side]) if has_sets[side] else 0.0,
                run=self.run,
            )

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
