"""Stochastic gradient descent at work: passes over blocks, or mini-batches, of scaled ratings."""

from __future__ import annotations

from math import isfinite, sqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.kernels.sgd import descend, descend_in_batches, squared_error
from palate.model import Model
from palate.model.row_solve import RidgePenalty
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.half_step import center_and_spread, padded
from palate.solvers.regularization_search import Arrays, Part, Piloted
from palate.solvers.session import Session
from palate.solvers.sgd.stripes import Blocks, Stripes

if TYPE_CHECKING:
    from palate.solvers.sgd import SGD

__all__ = ["SGDFit"]

Floats = NDArray[np.float32]

# What a pilot tries where the regularization is not given; on standardized ratings the best one is within this range
# for tables as different as jokes on a slider (0.05) and films on five stars (0.1).
_REGULARIZATIONS = (0.04, 0.055, 0.075, 0.1, 0.13)
_USUAL_REGULARIZATION = 0.075
# With less, the equations of a fold-in may not be solvable.
_LEAST_PENALTY = 1e-4


def _center(solver: SGD, ratings: Ratings) -> tuple[float, float]:
    # Ratings are fitted as (rating - center) / spread.
    if solver.scaling == "unit":
        return (ratings.scale.low + ratings.scale.high) / 2, ratings.scale.width / 2 or 1.0
    return center_and_spread(ratings.rating)


class _Part(Part):
    """Ratings in the order in which kernels want them. Users and items go by rows, factors padded to whole vectors."""

    def __init__(self, solver: SGD, ratings: Ratings, held: Ratings | None, deal: Stripes, run: Run) -> None:
        self.solver, self.run, self.deal = solver, run, deal
        self.center, self.spread = _center(solver, ratings)
        self.blocks: Blocks | None = None
        if solver.batch_size > 1:
            self.table = self._rows(ratings)
        else:
            rng = np.random.default_rng([solver.seed, 2, 1 if held is None else 0])
            self.blocks = Blocks.cut(deal, ratings, self.center, self.spread, rng, run)
            self.table = self.blocks.user, self.blocks.item, self.blocks.rating
        if held is not None:
            self.held = self._rows(held)
            ends = ratings.scale.low, ratings.scale.high
            self.limits = [np.float32((end - self.center) / self.spread) for end in ends]

    def _rows(self, ratings: Ratings) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
        """Return the user rows, item rows and scaled ratings of a table."""
        scaled = (ratings.rating - np.float32(self.center)) * np.float32(1 / self.spread)
        return self.deal.user_row[ratings.user], self.deal.item_row[ratings.item], scaled

    def begin(self) -> Arrays:
        solver, rng = self.solver, np.random.default_rng([self.solver.seed, 1])
        users, items = len(self.deal.user_row), len(self.deal.item_row)
        sides = []
        for rows in (users, items):
            shape = (rows, solver.factors)
            if solver.initialization == "xavier":
                bound = sqrt(6 / (rows + solver.factors))
                values = rng.uniform(-bound, bound, shape)
            else:
                values = rng.normal(0, 0.1, shape)
            factors = np.zeros((rows, padded(solver.factors)), np.float32)
            factors[:, : solver.factors] = values
            sides.append(factors)
        biases = np.zeros(users, np.float32), np.zeros(items, np.float32)
        return dict(zip(("user_factors", "item_factors", "user_bias", "item_bias"), (*sides, *biases), strict=True))

    def epoch(self, at: Arrays, regularization: float, number: int) -> tuple[float, int]:
        solver = self.solver
        rate = solver.learning_rate * (1 - number / solver.epochs if solver.decay else 1)
        rng = np.random.default_rng([solver.seed, 4, number])
        squares, rows = self._pass(at, rate, 1 - rate * regularization, rng)
        if not isfinite(squares):
            raise SettingsError(
                f"the fit diverged in epoch {number + 1}: lower learning_rate (--learning-rate), now "
                f"{solver.learning_rate:g}, or look for ratings far off the others with palate check"
            )
        return squares / len(self.table[0]), rows

    def _pass(self, at: Arrays, rate: float, keep: float, rng: np.random.Generator) -> tuple[float, int]:
        """Make one pass; return the sum of squared errors on the scaled ratings, and the distinct rows trained on."""
        parameters = *_ordered(at), np.float32(rate), np.float32(keep), self.solver.biases
        if self.blocks is None:
            order = rng.permutation(len(self.table[0]))
            squares = descend_in_batches(*self.table, order, min(self.solver.batch_size, len(order)), *parameters)
            return squares, len(np.unique(order))
        width = (0,) * at["user_factors"].shape[1]
        squares, rows = 0.0, 0
        for blocks in self.blocks.rounds(rng):
            squares += sum(self.run(lambda block: descend(*self.table, *block, *parameters, width), blocks))
            rows += sum(stop - start for start, stop in blocks)  # blocks do not overlap
        return squares, rows

    def validate(self, at: Arrays) -> float:
        width = (0,) * at["user_factors"].shape[1]
        size, step = len(self.held[0]), 1 << 16
        parts = [(start, min(start + step, size)) for start in range(0, size, step)]
        arrays = _ordered(at)
        squares = self.run(lambda part: squared_error(*self.held, *part, *arrays, *self.limits, width), parts)
        return sqrt(sum(squares) / size)


def _ordered(at: Arrays) -> tuple[Floats, Floats, Floats, Floats]:
    return at["user_factors"], at["item_factors"], at["user_bias"], at["item_bias"]


class SGDFit(Piloted):
    """One fit."""

    solver: SGD

    def __init__(self, solver: SGD, session: Session) -> None:
        super().__init__(solver, session, solver.epochs, _USUAL_REGULARIZATION, _REGULARIZATIONS)
        self.deal = Stripes.of(session.ratings, padded(solver.factors))

    def part(self, ratings: Ratings, held: Ratings | None) -> Part:
        """Prepare ratings for training, and those held out for validation."""
        return _Part(self.solver, ratings, held, self.deal, self.session.run)

    def model(self, part: Part, at: Arrays, regularization: float) -> Model:
        """Return the model of these parameters."""
        factors, spread = self.solver.factors, part.spread
        penalty = max(regularization, _LEAST_PENALTY) if regularization else _USUAL_REGULARIZATION
        share = np.float32(sqrt(spread))
        user_row, item_row = self.deal.user_row, self.deal.item_row
        return Model(
            users=self.ratings.users,
            items=self.ratings.items,
            intercept=part.center,
            mean=float(self.ratings.rating.mean(dtype=np.float64)),
            user_bias=at["user_bias"][user_row] * np.float32(spread),
            item_bias=at["item_bias"][item_row] * np.float32(spread),
            user_factors=at["user_factors"][user_row, :factors] * share,
            item_factors=at["item_factors"][item_row, :factors] * share,
            scale=self.ratings.scale,
            seen=self.ratings.by_user,
            # Errors scale with the spread, products of factors too: so the penalty on factors gains one spread.
            penalty=RidgePenalty(penalty * spread, penalty if self.solver.biases else None, by_count=True),
            solver=self.solver.record(),
            training=self.record(regularization),
        )
