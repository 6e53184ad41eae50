"""The state of a Gibbs chain: what is sampled for the users and for the items, and which parts of the model are on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.ratings import Grouped
from palate.solvers.feature_rows import FeatureRows
from palate.solvers.half_step import balanced_ranges, padded_width, partners_and_biases, row_cost, set_shares

__all__ = ["ModelParts", "SideState"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_INITIAL_SPREAD = 0.1
# Relative precisions below this count as this in `SideState.variance`.
_LEAST_PRECISION = 0.05
_FEATURE_ARRAYS = ("feature_weights", "feature_scales", "feature_prior")


class ModelParts(NamedTuple):
    """Which parts of the Bayesian model are on: see `palate.solvers.bayes.chain`."""

    user_noise: bool
    item_noise: bool
    user_sets: bool
    item_sets: bool
    times: bool = False
    user_features: bool = False
    item_features: bool = False

    def describe(self) -> str:
        """Return the names of the parts that are on, "plain" if none is."""
        return ", ".join(name.replace("_", " ") for name, is_on in self._asdict().items() if is_on) or "plain"


@dataclass
class SideState:
    """One side of the table, users or items, and what a chain samples for it.

    Attributes
    ----------
    table
        The ratings, grouped by this side.
    k
        The number of factors.
    factors
        float32 (rows, d): k factors, the bias, and padding to whole vectors.
    weights, prior
        float32 (others, d) and (rows, d): the set weights W, and X W. Zero without sets.
    noise
        float32 (rows,): the relative precision of the noise of each row.
    mean
        float64 (k + 1,): of the factors and biases of rows that have no set.
    is_noisy
        Whether ratings are weighted by `noise`. If not, the chain still draws it now and then, for the intervals.
    correlation
        Of a draw of a row, or of a set weight, with the one before.
    sets_precision
        The precision of the set weights, relative to that of the rows.
    freedom
        The degrees of freedom of the noise of rows.
    features
        The attributes of the rows; None if that part is off.
    feature_weights, feature_scales, feature_prior
        float64 (columns, k + 1), the weights B of the attributes; float64 (attributes,), their precisions, relative to
        that of the rows; and float32 (rows, d), F B. Of one row of zeros each without attributes.
    """

    #: What a checkpoint must hold.
    ARRAYS: ClassVar = ("factors", "weights", "prior", "noise", "mean", *_FEATURE_ARRAYS)
    NUMBERS: ClassVar = ("sets_precision", "freedom")

    table: Grouped
    k: int
    factors: Floats
    weights: Floats
    prior: Floats
    noise: Floats
    mean: Doubles
    is_noisy: bool
    correlation: float = 0.0
    sets_precision: float = 10.0
    freedom: float = 10.0
    features: FeatureRows | None = None

    @classmethod
    def start(
        cls,
        table: Grouped,
        others: int,
        k: int,
        is_noisy: bool,
        rng: np.random.Generator,
        features: FeatureRows | None = None,
    ) -> SideState:
        """Return a first state, with small random factors."""
        rows, width = len(table.indptr) - 1, padded_width(k + 1)
        factors = np.zeros((rows, width), np.float32)
        factors[:, :k] = rng.normal(0, _INITIAL_SPREAD, (rows, k))
        weights, prior = np.zeros((others, width), np.float32), np.zeros((rows, width), np.float32)
        return cls(
            table, k, factors, weights, prior, np.ones(rows, np.float32), np.zeros(k + 1), is_noisy, features=features
        )

    def __post_init__(self) -> None:
        self.ones = np.ones(len(self.factors), np.float32)
        self.counts = np.diff(self.table.indptr)
        self.shares = set_shares(self.counts)
        self.ranges = balanced_ranges(self.table.indptr, row_cost(self.factors.shape[1]))
        self.forget_features()
        # What a chain draws for rows without ratings is drawn from the prior alone: it says nothing about the prior,
        # and many such rows would hold the chain back.
        has_unrated = not self.counts[:-1].all()
        self.is_informative = self.counts > 0 if has_unrated else None

    @property
    def informative_rows(self) -> int:
        """The number of rows that say something about the prior."""
        return len(self.factors) if self.is_informative is None else int(self.is_informative.sum())

    def informative(self, block: slice) -> slice | NDArray[np.bool_]:
        """Return which rows of a block say something about the prior."""
        return slice(None) if self.is_informative is None else self.is_informative[block]

    def by_features(self, block: slice) -> Floats:
        """Return what attributes add to the prior means of a block of rows: float32, (rows or 1, d)."""
        return self.feature_prior if len(self.feature_prior) == 1 else self.feature_prior[block]

    def forget_features(self) -> None:
        """Set the weights of attributes to 0."""
        width, groups = (self.features.width, len(self.features.groups)) if self.features is not None else (1, 1)
        self.feature_weights, self.feature_scales = np.zeros((width, self.columns)), np.ones(groups)
        self.feature_prior = np.zeros((1, self.factors.shape[1]), np.float32)

    @property
    def columns(self) -> int:
        """The number of columns without padding: k factors and the bias."""
        return self.k + 1

    @property
    def rating_weight(self) -> Floats:
        """The weight of each row's ratings: float32 (rows,)."""
        return self.noise if self.is_noisy else self.ones

    @property
    def variance(self) -> Floats:
        """The relative variance of each row's noise: float32 (rows,).

        It is bounded, because rare draws of a precision near zero would outweigh all others in an average.
        """
        return (1 / np.maximum(self.noise, _LEAST_PRECISION)).astype(np.float32)

    def expected(self) -> Floats:
        """Return the factors and biases, (rows, k + 1); of rows without ratings, their prior mean."""
        expected = self.factors[:, : self.columns].copy()
        unrated = np.flatnonzero(self.counts == 0)
        by_features = np.broadcast_to(self.feature_prior, self.factors.shape)[unrated, : self.columns]
        expected[unrated] = self.mean + by_features
        expected[-1] = self.mean
        return expected

    def population_draw(self, number: int) -> Floats:
        """Return what the factors and bias of a row without ratings may be, by the number of the draw: (k + 1,).

        Without a set nothing tells such a row from the others. So its deviation from `mean` is that of a random row,
        with a random sign, which keeps `mean` its expected value. The precision given the sets would be too high.
        """
        rng = np.random.default_rng([number, len(self.factors)])
        row, sign = rng.integers(max(1, len(self.factors) - 1)), rng.choice([-1, 1])
        return np.asarray(self.mean + sign * (self.factors[row, : self.columns] - self.mean), np.float32)

    def partners_and_biases(self) -> tuple[Floats, Floats]:
        """Return the factors with 1 in place of the bias, and the biases: see `half_step.partners_and_biases`."""
        return partners_and_biases(self.factors, self.k)
