r"""A Gibbs chain for Bayesian matrix factorization, one sweep at a time.

With biases as a last column whose partner is 1, a rating is :math:`r_{ui} = p_u \cdot q_i + b_u + b_i + e_{ui}`, and
the model is:

- rows: :math:`(p_u, b_u) \sim N(\mu + X_u W, \Lambda^{-1})`, with a Normal-Wishart prior on :math:`\mu, \Lambda`
  of each side (Salakhutdinov, Mnih 2008, "Bayesian probabilistic matrix factorization using Markov chain Monte Carlo");
- rated sets: :math:`X_u` holds :math:`1/\sqrt{n_u}` for each of the :math:`n_u` items that u rated, whatever the
  ratings, and :math:`W_j \sim N(0, (\lambda \Lambda)^{-1})` (the link of Simm et al. 2017, "Macau"; the idea of Koren's
  SVD++); the same for items and their raters;
- attributes: what is known of u besides moves the mean too, see `palate.solvers.feature_rows`;
- effects of time: see `palate.solvers.bayes.time_effects`;
- noise: :math:`e_{ui} \sim N(0, 1/(\alpha \phi_u \psi_i))`, with :math:`\phi, \psi` Gamma-distributed around 1.

A sweep draws each unknown once, given all others. Rows and set weights are overrelaxed: a draw lies, as a rule, on the
other side of its mean than the one before (Adler 1981, "Over-relaxation method for the Monte Carlo evaluation of the
partition function for multiquadratic actions"). Averages of predictions then need a third of the sweeps. The sizes of
rows are forgotten more slowly, though, and where ratings are sparse, priors follow those sizes: there draws are
independent.
"""

from __future__ import annotations

from math import lgamma
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.parallel import Run
from palate.ratings import Grouped
from palate.solvers.bayes.feature_weights import add_feature_scatter, draw_feature_weights
from palate.solvers.bayes.row_blocks import sum_row_blocks
from palate.solvers.bayes.set_weights import LinkedSide, draw_from_grid, draw_set_weights
from palate.solvers.bayes.state import ModelParts, SideState
from palate.solvers.bayes.time_effects import TimeDraws
from palate.solvers.feature_rows import FeatureRows
from palate.solvers.half_step import set_lengths, solve_side, sum_errors

__all__ = ["Chain"]

Doubles = NDArray[np.float64]

# Normal-Wishart prior: mean 0 with the weight of two rows, unit scale, as many degrees of freedom as columns.
_MEAN_WEIGHT = 2.0
# Gamma prior of the precision of the noise. The rate keeps the precision finite where all ratings are equal.
_NOISE_SHAPE, _NOISE_RATE = 1.0, 1e-3
# The correlation of a draw with the one before, on tables of at least so many ratings for each user and item. -0.8 to
# -0.98 are alike on MovieLens 1M. With 3 to 14 ratings each such a chain settles later than one of independent
# draws (measured).
_CORRELATION, _DENSE_ROW = -0.9, 20
# The noise of rows is drawn once in this many sweeps where no other draw depends on it.
_NOISE_INTERVAL = 5
# The degrees of freedom that the noise of single users and items may have.
_FREEDOMS = np.exp(np.linspace(0, np.log(200), 60))
_FREEDOM_TERMS = np.array([nu / 2 * np.log(nu / 2) - lgamma(nu / 2) for nu in _FREEDOMS])


class Chain:
    """A chain over a table of standardized ratings.

    Each side gets one more row, without ratings. What is drawn for that row is what the chain knows of users or items
    without ratings.

    Parameters
    ----------
    by_user, by_item
        The table, grouped by user and by item.
    k
        The number of factors.
    parts
        Which parts of the model are on.
    seed
        Random draws depend on the seed, the sweep and the row, never on the thread.
    run
        A pool.
    time
        int64: when each rating of `by_user` was given; wanted for the part "times".
    features
        The attributes of users and of items (one more row each, without any), None where there are none.

    Attributes
    ----------
    least_noise
        The common variance of the noise is drawn as if the ratings said at least this. On a table of a few ratings a
        row the chain would otherwise explain ever more of the noise by factors. 0 for no bound.
    """

    def __init__(
        self,
        by_user: Grouped,
        by_item: Grouped,
        k: int,
        parts: ModelParts,
        seed: int,
        run: Run,
        time: NDArray[np.int64] | None = None,
        features: tuple[FeatureRows | None, FeatureRows | None] = (None, None),
    ) -> None:
        by_user, by_item = (
            table._replace(indptr=np.append(table.indptr, table.indptr[-1])) for table in (by_user, by_item)
        )
        self.times = TimeDraws(by_user, by_item, time, run) if parts.times and time is not None else None
        if self.times:
            by_user, by_item = self.times.tables
        users, items = len(by_user.indptr) - 1, len(by_item.indptr) - 1
        rng = np.random.default_rng([seed, 1])
        user_features, item_features = (
            one if is_on else None
            for one, is_on in zip(features, (parts.user_features, parts.item_features), strict=True)
        )
        self.users = SideState.start(by_user, items, k, parts.user_noise, rng, user_features)
        self.items = SideState.start(by_item, users, k, parts.item_noise, rng, item_features)
        is_dense = by_user.indptr[-1] >= _DENSE_ROW * (users + items)
        self.users.correlation = self.items.correlation = _CORRELATION if is_dense else 0.0
        self.parts, self.seed, self.run = parts, seed, run
        self.precision, self.sweeps, self.squares = 1.0, 0, 0.0
        self.least_noise = 0.0
        self.lengths = set_lengths(self.users.shares, by_item, run), set_lengths(self.items.shares, by_user, run)

    def sweep(self) -> None:
        """Draw each unknown once, given all others."""
        if self.times:
            self.times.draw(self.users, self.items, self.precision, self.sweeps, self.seed)
        rng = np.random.default_rng([self.seed, 2, self.sweeps])
        sides = (
            (self.users, self.items, self.parts.user_sets, self.lengths[0]),
            (self.items, self.users, self.parts.item_sets, self.lengths[1]),
        )
        precisions: list[Doubles] = []
        linked_sides: list[LinkedSide] = []
        for side, other, has_sets, lengths in sides:
            side.mean, precision = self._draw_prior(side, has_sets, rng)
            if side.features is not None:
                draw_feature_weights(side, side.features, precision, rng)
            precisions.append(precision)
            if has_sets:
                linked_sides.append(LinkedSide(side, other, lengths, precision))
        draw_set_weights(linked_sides, self.run, rng)
        for (side, other, *_), precision in zip(sides, precisions, strict=True):
            item_errors = self._draw_rows(side, other, precision, rng)  # those of the items, which come last
        self._draw_noise(item_errors, rng)
        self.sweeps += 1

    def _draw_prior(self, side: SideState, has_sets: bool, rng: np.random.Generator) -> tuple[Doubles, Doubles]:
        """Draw the mean and the precision of a side's rows, from a Normal-Wishart distribution."""
        d, n, other = side.columns, side.informative_rows, self.items if side is self.users else self.users
        mean, scatter = self._moments(side)
        scatter += np.eye(d) + _MEAN_WEIGHT * n / (_MEAN_WEIGHT + n) * np.outer(mean, mean)
        freedom = d + n
        if has_sets:

            def weights_of(block: slice) -> Doubles:
                weights = side.weights[block, :d].astype(np.float64)[other.informative(block)]
                return np.asarray(side.sets_precision * weights.T @ weights)

            scatter += sum_row_blocks(weights_of, len(side.weights), self.run)
            freedom += other.informative_rows
        if side.features is not None:
            freedom += add_feature_scatter(side, side.features, scatter)
        precision = _wishart(np.asarray(np.linalg.inv(scatter)), freedom, rng)
        root = np.linalg.cholesky(precision)
        jitter = np.linalg.solve(root.T, rng.normal(size=d)) / np.sqrt(_MEAN_WEIGHT + n)
        return n * mean / (_MEAN_WEIGHT + n) + jitter, precision

    def _moments(self, side: SideState) -> tuple[Doubles, Doubles]:
        """Return the mean of a side's rows given sets and attributes, and the sum of squared deviations from it."""
        d, n = side.columns, len(side.factors)

        def rows_of(block: slice) -> Doubles:
            rows = side.factors[block, :d].astype(np.float64) - side.prior[block, :d] - side.by_features(block)[:, :d]
            return rows[side.informative(block)]

        def scatter_of(block: slice) -> Doubles:
            centred = rows_of(block) - mean
            return np.asarray(centred.T @ centred)

        mean = sum_row_blocks(lambda block: rows_of(block).sum(axis=0), n, self.run) / side.informative_rows
        return mean, sum_row_blocks(scatter_of, n, self.run)

    def _draw_rows(self, side: SideState, other: SideState, precision: Doubles, rng: np.random.Generator) -> Doubles:
        """Draw a side's factors and biases.

        Returns the sum of squared errors of each row, weighted by the noise of the other side: float64 (rows,).
        """
        d, width = side.columns, side.factors.shape[1]
        partners, biases = other.partners_and_biases()
        padded_precision = np.eye(width, dtype=np.float32)
        padded_precision[:d, :d] = precision
        linear = np.zeros_like(side.factors)
        linear[:, :d] = (side.mean + side.prior[:, :d] + side.feature_prior[:, :d]) @ precision
        row_weight, key = (self.precision * side.rating_weight).astype(np.float32), int(rng.integers(2**62))
        errors = np.empty(len(side.factors))
        equations = partners, biases, row_weight, other.rating_weight, padded_precision, linear
        if (
            solve_side(self.run, side.ranges, side.table, equations, d, key, side.correlation, side.factors, errors)
            >= 0
        ):
            raise DataError(
                "the ratings differ so much in size that float32 is not precise enough for their products: rescale them"
            )
        return errors / row_weight

    def _draw_noise(self, item_errors: Doubles, rng: np.random.Generator) -> None:
        """Draw the precision of the noise: that of single users and items, and the common one."""
        users, items = self.users, self.items
        is_due = self.sweeps % _NOISE_INTERVAL == 0
        if items.is_noisy or is_due:
            self._draw_row_noise(items, item_errors, rng)
        if items.is_noisy or users.is_noisy or is_due:
            squares, user_errors = self._user_errors()
            if users.is_noisy or is_due:
                self._draw_row_noise(users, user_errors, rng)
            self.squares, weighted = float(squares.sum()), float(user_errors @ users.rating_weight)
        else:
            self.squares = weighted = float(item_errors.sum())
        shape = _NOISE_SHAPE + users.counts.sum() / 2
        rate = max(_NOISE_RATE + weighted / 2, shape * self.least_noise)
        self.precision = rng.gamma(shape) / rate

    def _draw_row_noise(self, side: SideState, weighted_errors: Doubles, rng: np.random.Generator) -> None:
        """Draw the relative precision of each row's noise, then the degrees of freedom that all rows share."""
        rate = (side.freedom + self.precision * weighted_errors) / 2
        noise = rng.gamma((side.freedom + side.counts) / 2) / rate
        side.noise = noise.astype(np.float32)
        noise = noise[side.informative(slice(None))]
        halves = _FREEDOMS / 2
        log_density = len(noise) * _FREEDOM_TERMS + (halves - 1) * np.log(noise).sum() - halves * noise.sum()
        side.freedom = draw_from_grid(_FREEDOMS, log_density, rng)

    def _user_errors(self) -> tuple[Doubles, Doubles]:
        """Return the sum of squared errors of each user, plain and weighted by the noise of items."""
        users, items = self.users, self.items
        squares, weighted = np.empty(len(users.factors)), np.empty(len(users.factors))
        partners, biases = items.partners_and_biases()
        arrays = users.factors, partners, biases, items.rating_weight
        sum_errors(self.run, users.ranges, users.table, arrays, squares, weighted)
        return squares, weighted

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return all arrays and numbers that the next sweep depends on, by name."""
        arrays: dict[str, Any] = {}
        numbers = {"precision": self.precision, "sweeps": self.sweeps, "squares": self.squares}
        for name, side in (("users", self.users), ("items", self.items)):
            arrays |= {f"{name}.{field}": getattr(side, field) for field in SideState.ARRAYS}
            numbers |= {f"{name}.{field}": getattr(side, field) for field in SideState.NUMBERS}
        if self.times:
            arrays |= {f"times.{field}": getattr(self.times, field) for field in TimeDraws.ARRAYS}
        return arrays, numbers

    def restore(self, arrays: dict[str, Any], numbers: dict[str, Any]) -> None:
        """Set what `state` returned; effects of time are left out if this chain has none."""
        for name, value in (arrays | numbers).items():
            owner, _, field = name.rpartition(".")
            target = getattr(self, owner) if owner else self
            if target is not None:
                setattr(target, field, value)


def _wishart(scale: Doubles, freedom: float, rng: np.random.Generator) -> Doubles:
    """Draw from Wishart(scale, freedom) by Bartlett's decomposition.

    scipy.stats has this distribution too, but takes half a second to import.
    """
    d = len(scale)
    lower = np.tril(rng.normal(size=(d, d)), -1)
    lower[np.diag_indices(d)] = np.sqrt(rng.chisquare(freedom - np.arange(d)))
    root = np.linalg.cholesky((scale + scale.T) / 2) @ lower
    return np.asarray(root @ root.T)
