"""The state of a Gibbs chain: what is sampled for the users and for the items, and which parts of the model are on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.ratings import Grouped
from palate.solvers.half_step import balanced_ranges, padded_width, partners_and_biases, row_cost, set_shares

__all__ = ["ModelParts", "SideState"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_INITIAL_SPREAD = 0.1
# Relative precisions below this count as this in `SideState.variance`.
_LEAST_PRECISION = 0.05


class ModelParts(NamedTuple):
    """Which parts of the Bayesian model are on: see `palate.solvers.bayes.chain`."""

    user_noise: bool
    item_noise: bool
    user_sets: bool
    item_sets: bool
    times: bool = False

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
    sets_precision
        The precision of the set weights, relative to that of the rows.
    freedom
        The degrees of freedom of the noise of rows.
    """

    #: What a checkpoint must hold.
    ARRAYS: ClassVar = ("factors", "weights", "prior", "noise", "mean")
    NUMBERS: ClassVar = ("sets_precision", "freedom")

    table: Grouped
    k: int
    factors: Floats
    weights: Floats
    prior: Floats
    noise: Floats
    mean: Doubles
    is_noisy: bool
    sets_precision: float = 10.0
    freedom: float = 10.0

    @classmethod
    def start(cls, table: Grouped, others: int, k: int, is_noisy: bool, rng: np.random.Generator) -> SideState:
        """Return a first state, with small random factors."""
        rows, width = len(table.indptr) - 1, padded_width(k + 1)
        factors = np.zeros((rows, width), np.float32)
        factors[:, :k] = rng.normal(0, _INITIAL_SPREAD, (rows, k))
        weights, prior = np.zeros((others, width), np.float32), np.zeros((rows, width), np.float32)
        return cls(table, k, factors, weights, prior, np.ones(rows, np.float32), np.zeros(k + 1), is_noisy)

    def __post_init__(self) -> None:
        self.ones = np.ones(len(self.factors), np.float32)
        self.counts = np.diff(self.table.indptr)
        self.shares = set_shares(self.counts)
        self.ranges = balanced_ranges(self.table.indptr, row_cost(self.factors.shape[1]))

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
        """Return the factors and biases, (rows, k + 1), with `mean` in the last row, which has no ratings."""
        expected = self.factors[:, : self.columns].copy()
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
