"""Alternating least squares at work; biases are a last column whose partner is 1."""

from __future__ import annotations

import dataclasses
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palate.kernels.rows import solve_nonnegative_rows, solve_rows
from palate.kernels.sgd import squared_error
from palate.model import Model
from palate.model.row_solve import RidgePenalty
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.half_step import Side, center_and_spread, padded, partners, standard, standardized
from palate.solvers.regularization_search import Arrays, Part, Piloted
from palate.solvers.session import Session

if TYPE_CHECKING:
    from palate.solvers.als import ALS

__all__ = ["ALSFit", "ALSProblem"]

Floats = NDArray[np.float32]

# What a pilot tries where the regularization is not given, on standardized ratings: with and without the weighting.
_WEIGHTED = (0.04, 0.055, 0.075, 0.1, 0.13, 0.17)
_PLAIN = (6.0, 10.0, 16.0, 26.0, 40.0)
_INITIAL_SPREAD = 0.1


class ALSProblem(Part):
    """Scaled ratings, grouped by both sides. Parameters are "users" and "items": (rows, k factors + bias + padding)."""

    def __init__(self, solver: ALS, ratings: Ratings, held: Ratings | None, run: Run) -> None:
        self.solver, self.run, self.size = solver, run, len(ratings)
        self.center, self.spread = center_and_spread(ratings.rating)
        table = standardized(ratings, self.center, self.spread)
        width = padded(solver.factors + 1)
        self.users, self.items = Side.of(table.by_user, width), Side.of(table.by_item, width)
        if held is not None:
            self.held = dataclasses.replace(held, rating=standard(held.rating, self.center, self.spread))
            ends = ratings.scale.low, ratings.scale.high
            self.limits = [np.float32((end - self.center) / self.spread) for end in ends]

    def begin(self) -> Arrays:
        """Return the first parameters."""
        k, rng = self.solver.factors, np.random.default_rng([self.solver.seed, 1])
        at = {}
        for name, side in (("users", self.users), ("items", self.items)):
            rows = len(side.counts)
            at[name] = np.zeros((rows, padded(k + 1)), np.float32)
            first = rng.normal(0, _INITIAL_SPREAD, (rows, k))
            at[name][:, :k] = np.abs(first) if self.solver.nonnegative else first
        return at

    def epoch(self, at: Arrays, regularization: float, number: int) -> tuple[float, int]:
        """Solve for the items, then for the users, who so are what a fold-in finds."""
        self.half(self.items, at["items"], at["users"], regularization)
        return self.half(self.users, at["users"], at["items"], regularization) / self.size, self.size

    def half(self, side: Side, mine: Floats, other: Floats, regularization: float) -> float:
        """Solve for one side, in place; return the sum of squared errors."""
        k, width = self.solver.factors, mine.shape[1]
        facing, biases = partners(other, k)
        # A row's equations divided by its number of ratings: so one matrix is the penalty of all rows.
        weight = (1 / np.maximum(1, side.counts) if self.solver.weighted else np.ones(len(mine))).astype(np.float32)
        precision = np.eye(width, dtype=np.float32)
        precision[: k + 1] *= np.float32(regularization)
        given = *side.table, facing, biases, weight, np.ones(len(other), np.float32), precision, np.zeros_like(mine)
        errors = np.empty(len(mine))

        def work(part: tuple[int, int]) -> int:
            if self.solver.nonnegative:
                return int(solve_nonnegative_rows(*given, *part, k, mine, errors))
            return int(solve_rows(*given, *part, 0, 0, mine, errors))

        side.solve(self.run, work)
        return float((errors / weight).sum())

    def validate(self, at: Arrays) -> float:
        """Return the RMSE of clipped predictions on the validation part."""
        k, columns = self.solver.factors, (self.held.user, self.held.item, self.held.rating)
        biases = [np.ascontiguousarray(at[name][:, k]) for name in ("users", "items")]
        factors = []
        for name in ("users", "items"):
            factors.append(at[name].copy())
            factors[-1][:, k] = 0
        size, step = len(self.held), 1 << 16
        parts = [(start, min(start + step, size)) for start in range(0, size, step)]
        given, width = (*factors, *biases, *self.limits), (0,) * factors[0].shape[1]
        squares = self.run(lambda part: squared_error(*columns, *part, *given, width), parts)
        return sqrt(sum(squares) / size)


class ALSFit(Piloted):
    """One fit."""

    passes = "sweeps"
    solver: ALS

    def __init__(self, solver: ALS, session: Session) -> None:
        tried = _WEIGHTED if solver.weighted else _PLAIN
        super().__init__(solver, session, solver.sweeps, tried[len(tried) // 2], tried)

    def part(self, ratings: Ratings, held: Ratings | None) -> Part:
        """Prepare ratings for training, and those held out for validation."""
        return ALSProblem(self.solver, ratings, held, self.session.run)

    def model(self, part: Part, at: Arrays, regularization: float) -> Model:
        """Return the model of these parameters."""
        k, spread = self.solver.factors, part.spread
        share = np.float32(sqrt(spread))
        # Errors scale with the spread, products of factors too: so the penalty on factors gains one spread.
        penalty = RidgePenalty(
            regularization * spread,
            regularization,
            by_count=self.solver.weighted,
            nonnegative=self.solver.nonnegative,
        )
        return Model(
            users=self.ratings.users,
            items=self.ratings.items,
            intercept=part.center,
            mean=float(self.ratings.rating.mean(dtype=np.float64)),
            user_bias=at["users"][:, k] * np.float32(spread),
            item_bias=at["items"][:, k] * np.float32(spread),
            user_factors=at["users"][:, :k] * share,
            item_factors=at["items"][:, :k] * share,
            scale=self.ratings.scale,
            seen=self.ratings.by_user,
            penalty=penalty,
            solver=self.solver.record(),
            training=self.record(regularization),
        )
