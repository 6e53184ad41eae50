r"""A Gibbs chain for Bayesian matrix factorization, one sweep at a time.

With biases as a last column whose partner is 1, a rating is :math:`r_{ui} = p_u \cdot q_i + b_u + b_i + e_{ui}` and

- rows: :math:`(p_u, b_u) \sim N(\mu + X_u W, \Lambda^{-1})`, with a Normal-Wishart prior on :math:`\mu, \Lambda`
  of each side (Salakhutdinov, Mnih 2008, "Bayesian probabilistic matrix factorization using Markov chain Monte Carlo");
- sets: :math:`X_u` holds :math:`1/\sqrt{n_u}` for each item that u rated, and :math:`W_j \sim N(0, (\lambda
  \Lambda)^{-1})`: who rated what is information, whatever the rating (the link of Simm et al. 2017, "Macau"; the idea
  of Koren's SVD++); the same for items and their raters;
- noise: :math:`e_{ui} \sim N(0, 1/(\alpha \phi_u \psi_i))`, with :math:`\phi, \psi` Gamma-distributed around 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.kernels.rows import row_errors, solve_rows
from palate.parallel import Run
from palate.ratings import Grouped
from palate.solvers.bayes.set_weights import Linked, choose, draw_sets
from palate.solvers.half_step import cut, padded, partners, row_work, set_lengths, set_shares

__all__ = ["Chain", "Parts"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Normal-Wishart: mean 0 with the weight of two rows, unit scale, as many degrees of freedom as columns.
_MEAN_WEIGHT = 2.0
# Gamma prior of the noise's precision: so little noise that a table of equal ratings cannot drive it to infinity.
_NOISE_SHAPE, _NOISE_RATE = 1.0, 1e-3
# Noise that no draw depends on is drawn once in so many sweeps.
_SELDOM = 5
_LEAST_PRECISION = 0.05
# Degrees of freedom of the noise of single users and items.
_FREEDOMS = np.exp(np.linspace(0, np.log(200), 60))
_FREEDOM_TERMS = np.array([nu / 2 * np.log(nu / 2) - lgamma(nu / 2) for nu in _FREEDOMS])
_INITIAL_SPREAD = 0.1


class Parts(NamedTuple):
    """Which parts of the model are on."""

    user_noise: bool
    item_noise: bool
    user_sets: bool
    item_sets: bool

    def describe(self) -> str:
        """Name the parts that are on."""
        return ", ".join(name.replace("_", " ") for name, on in self._asdict().items() if on) or "plain"


@dataclass
class Side:
    """One side of the table and what is being sampled for it.

    Attributes
    ----------
    factors
        float32 (rows, d): k factors, the bias, and padding to whole vectors.
    weights, prior
        float32 (others, d) and (rows, d): set weights W, and X W; zero without sets.
    noise
        float32 (rows,): the relative precision of each row's noise.
    noisy
        Whether ratings count by it. If not, it is drawn all the same, now and then, for the intervals alone.
    mean
        float64 (k + 1,): of the factors and biases of rows that have no set.
    """

    #: What a checkpoint must hold.
    ARRAYS: ClassVar = ("factors", "weights", "prior", "noise", "mean")

    table: Grouped
    k: int
    factors: Floats
    weights: Floats
    prior: Floats
    noise: Floats
    mean: Doubles
    noisy: bool
    sets_precision: float = 10.0
    freedom: float = 10.0

    @classmethod
    def start(cls, table: Grouped, others: int, k: int, noisy: bool, rng: np.random.Generator) -> Side:
        rows, width = len(table.indptr) - 1, padded(k + 1)
        factors = np.zeros((rows, width), np.float32)
        factors[:, :k] = rng.normal(0, _INITIAL_SPREAD, (rows, k))
        weights, prior = np.zeros((others, width), np.float32), np.zeros((rows, width), np.float32)
        return cls(table, k, factors, weights, prior, np.ones(rows, np.float32), np.zeros(k + 1), noisy)

    def __post_init__(self) -> None:
        self.even = np.ones(len(self.factors), np.float32)
        self.counts = np.diff(self.table.indptr)
        self.share = set_shares(self.counts)
        self.tasks = cut(self.table.indptr, row_work(self.factors.shape[1]))

    @property
    def columns(self) -> int:
        """Columns that are no padding: k factors and the bias."""
        return self.k + 1

    @property
    def weight(self) -> Floats:
        """What each row's ratings weigh."""
        return self.noise if self.noisy else self.even

    @property
    def variance(self) -> Floats:
        """The relative variance of each row's noise; rare draws of nearly no precision would outweigh all others."""
        return (1 / np.maximum(self.noise, _LEAST_PRECISION)).astype(np.float32)

    def expected(self) -> Floats:
        """Return the factors and biases, the mean in place of the last row, of which nothing is known."""
        expected = self.factors[:, : self.columns].copy()
        expected[-1] = self.mean
        return expected

    def partners(self) -> tuple[Floats, Floats]:
        """Return what the other side's rows are multiplied with (a one in place of the bias), and the biases."""
        return partners(self.factors, self.k)


class Chain:
    """A chain over a table of scaled ratings.

    On each side a last row without ratings is added: what is drawn for it is what the chain knows of rows without any.

    Parameters
    ----------
    by_user, by_item
        The table, grouped.
    k
        Factors.
    parts
        What is on.
    seed
        Random draws depend on it, on the sweep and on the row, never on the thread.
    """

    def __init__(self, by_user: Grouped, by_item: Grouped, k: int, parts: Parts, seed: int, run: Run) -> None:
        by_user, by_item = (
            side._replace(indptr=np.append(side.indptr, side.indptr[-1])) for side in (by_user, by_item)
        )
        users, items = len(by_user.indptr) - 1, len(by_item.indptr) - 1
        rng = np.random.default_rng([seed, 1])
        self.users = Side.start(by_user, items, k, parts.user_noise, rng)
        self.items = Side.start(by_item, users, k, parts.item_noise, rng)
        self.parts, self.seed, self.run = parts, seed, run
        self.precision, self.sweeps, self.squares = 1.0, 0, 0.0
        self.lengths = set_lengths(self.users.share, by_item, run), set_lengths(self.items.share, by_user, run)

    def sweep(self) -> None:
        """Draw everything once, in turn."""
        rng = np.random.default_rng([self.seed, 2, self.sweeps])
        sides = (
            (self.users, self.items, self.parts.user_sets, self.lengths[0]),
            (self.items, self.users, self.parts.item_sets, self.lengths[1]),
        )
        precisions: list[Doubles] = []
        linked: list[Linked] = []
        for side, other, sets, lengths in sides:
            side.mean, precision = self._draw_prior(side, sets, rng)
            precisions.append(precision)
            if sets:
                linked.append(Linked(side, other, lengths, precision))
        draw_sets(linked, self.run, rng)
        for (side, other, *_), precision in zip(sides, precisions, strict=True):
            errors = self._draw_rows(side, other, precision, rng)
        self._draw_noise(errors, rng)
        self.sweeps += 1

    def _draw_prior(self, side: Side, sets: bool, rng: np.random.Generator) -> tuple[Doubles, Doubles]:
        d, n = side.columns, len(side.factors)
        own = side.factors[:, :d].astype(np.float64) - side.prior[:, :d]
        mean = own.mean(axis=0)
        centred = own - mean
        scatter = np.eye(d) + centred.T @ centred + _MEAN_WEIGHT * n / (_MEAN_WEIGHT + n) * np.outer(mean, mean)
        freedom = d + n
        if sets:
            weights = side.weights[:, :d].astype(np.float64)
            scatter += side.sets_precision * weights.T @ weights
            freedom += len(weights)
        precision = _wishart(np.linalg.inv(scatter), freedom, rng)
        root = np.linalg.cholesky(precision)
        jitter = np.linalg.solve(root.T, rng.normal(size=d)) / np.sqrt(_MEAN_WEIGHT + n)
        return n * mean / (_MEAN_WEIGHT + n) + jitter, precision

    def _draw_rows(self, side: Side, other: Side, precision: Doubles, rng: np.random.Generator) -> Doubles:
        """Draw a side's factors and biases; return each row's sum of squared errors, weighted by the other side."""
        d, width = side.columns, side.factors.shape[1]
        partners, biases = other.partners()
        padded = np.eye(width, dtype=np.float32)
        padded[:d, :d] = precision
        linear = np.zeros_like(side.factors)
        linear[:, :d] = (side.mean + side.prior[:, :d]) @ precision
        own, key = (self.precision * side.weight).astype(np.float32), rng.integers(2**62)

        errors = np.empty(len(side.factors))

        def work(part: tuple[int, int]) -> int:
            given = partners, biases, own, other.weight, padded, linear
            return int(solve_rows(*side.table, *given, *part, d, key, side.factors, errors))

        if max(self.run(work, side.tasks)) >= 0:
            raise DataError("the ratings are so uneven in size that float32 does not hold their products: rescale them")
        return errors / own

    def _draw_noise(self, by_item: Doubles, rng: np.random.Generator) -> None:
        users, items = self.users, self.items
        now = self.sweeps % _SELDOM == 0
        if items.noisy or now:
            self._draw_noise_of(items, by_item, rng)
        if items.noisy or users.noisy or now:
            plain, by_user = self._errors()
            if users.noisy or now:
                self._draw_noise_of(users, by_user, rng)
            self.squares, weighted = float(plain.sum()), float(by_user @ users.weight)
        else:
            self.squares = weighted = float(by_item.sum())
        shape = _NOISE_SHAPE + users.counts.sum() / 2
        self.precision = rng.gamma(shape) / (_NOISE_RATE + weighted / 2)

    def _draw_noise_of(self, side: Side, weighted: Doubles, rng: np.random.Generator) -> None:
        noise = rng.gamma((side.freedom + side.counts) / 2) / ((side.freedom + self.precision * weighted) / 2)
        side.noise = noise.astype(np.float32)
        weighed = len(noise) * _FREEDOM_TERMS + (_FREEDOMS / 2 - 1) * np.log(noise).sum() - _FREEDOMS / 2 * noise.sum()
        side.freedom = choose(_FREEDOMS, weighed, rng)

    def _errors(self) -> tuple[Doubles, Doubles]:
        """Return the sum of squared errors of each user, plain and weighted by the noise of items."""
        side, other = self.users, self.items
        plain, weighted = np.empty(len(side.factors)), np.empty(len(side.factors))
        partners, biases = other.partners()
        given = side.factors, partners, biases, other.weight
        self.run(lambda part: row_errors(*side.table, *given, *part, plain, weighted), side.tasks)
        return plain, weighted

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return all arrays and numbers that the next sweep depends on."""
        arrays: dict[str, Any] = {}
        numbers = {"precision": self.precision, "sweeps": self.sweeps, "squares": self.squares}
        for name, side in (("users", self.users), ("items", self.items)):
            arrays |= {
                f"{name}.{part}": getattr(side, part) for part in ("factors", "weights", "prior", "noise", "mean")
            }
            numbers |= {f"{name}.{part}": getattr(side, part) for part in ("sets_precision", "freedom")}
        return arrays, numbers

    def restore(self, arrays: dict[str, Any], numbers: dict[str, Any]) -> None:
        """Go back to a state."""
        for name, value in (arrays | numbers).items():
            owner, _, part = name.rpartition(".")
            setattr(getattr(self, owner) if owner else self, part, value)


def _wishart(scale: Doubles, freedom: float, rng: np.random.Generator) -> Doubles:
    """Draw from Wishart(scale, freedom) by Bartlett's decomposition."""
    d = len(scale)
    lower = np.tril(rng.normal(size=(d, d)), -1)
    lower[np.diag_indices(d)] = np.sqrt(rng.chisquare(freedom - np.arange(d)))
    root = np.linalg.cholesky((scale + scale.T) / 2) @ lower
    return np.asarray(root @ root.T)
