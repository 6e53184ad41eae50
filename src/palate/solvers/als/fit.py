"""Alternating least squares at work. A bias is the last column of a row; its partner is 1."""

from __future__ import annotations

import dataclasses
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.kernels.rows import solve_nonnegative_rows
from palate.kernels.sgd import squared_error
from palate.model import Model
from palate.model.row_solve import RidgePenalty
from palate.parallel import Run
from palate.ratings import Ratings, Vocabulary
from palate.solvers.als.settings import ALS
from palate.solvers.feature_rows import FeatureRows, attribute_weights, feature_rows, row_target
from palate.solvers.half_step import (
    HalfStep,
    center_and_spread,
    padded_width,
    partners_and_biases,
    solve_side,
    standardize,
    standardize_table,
)
from palate.solvers.regularization_search import Parameters, RegularizedFit, TrainingProblem
from palate.solvers.session import Session
from palate.solvers.warm_start import model_rows

__all__ = ["ALSFit", "ALSProblem"]

Floats = NDArray[np.float32]

# The regularizations that pilots try, on standardized ratings: with and without a penalty that grows with the ratings.
_WEIGHTED_CANDIDATES = (0.04, 0.055, 0.075, 0.1, 0.13, 0.17)
_UNWEIGHTED_CANDIDATES = (6.0, 10.0, 16.0, 26.0, 40.0)
_INITIAL_SPREAD = 0.1
# This many validation ratings are judged, and rows are drawn, at a time.
_CHUNK = 1 << 16


class ALSProblem(TrainingProblem):
    """Standardized ratings, grouped by user and by item.

    The parameters are "users" and "items", float32 (rows, d): k factors, the bias and padding.
    """

    def __init__(self, solver: ALS, ratings: Ratings, validation: Ratings | None, run: Run) -> None:
        self.solver, self.run, self.size = solver, run, len(ratings)
        self.center, self.spread = center_and_spread(ratings.rating)
        table = standardize_table(ratings, self.center, self.spread)
        width = padded_width(solver.factors + 1)
        self.users, self.items = HalfStep.prepare(table.by_user, width), HalfStep.prepare(table.by_item, width)
        self.features = feature_rows(ratings, by_count=True)
        if solver.nonnegative and any(self.features):
            raise SettingsError("nonnegative factors do not go with attributes: leave one of them out")
        if validation is not None:
            rating = standardize(validation.rating, self.center, self.spread)
            self.validation = dataclasses.replace(validation, rating=rating)
            scale = ratings.scale
            self.limits = [np.float32((end - self.center) / self.spread) for end in (scale.low, scale.high)]

    def start(self) -> Parameters:
        """Return normally distributed factors (their absolute values if `nonnegative`) and biases of 0."""
        k, rng = self.solver.factors, np.random.default_rng([self.solver.seed, 1])
        parameters = {}
        for name, side in (("users", self.users), ("items", self.items)):
            rows = len(side.counts)
            parameters[name] = np.zeros((rows, padded_width(k + 1)), np.float32)
            for start in range(0, rows, _CHUNK):
                factors = rng.normal(0, _INITIAL_SPREAD, (min(_CHUNK, rows - start), k))
                parameters[name][start : start + _CHUNK, :k] = np.abs(factors) if self.solver.nonnegative else factors
        return parameters

    def start_from(self, model: Model, users: Vocabulary, items: Vocabulary) -> Parameters:
        """Return the parameters of a model, for these ids; those of ids that it lacks are as in `start`."""
        parameters, k = self.start(), min(self.solver.factors, model.factors)
        for name, ids in (("users", users), ("items", items)):
            known, factors, bias = model_rows(model, name, ids)
            parameters[name][known, :k] = factors[:, :k] / np.float32(sqrt(self.spread))
            parameters[name][known, self.solver.factors] = bias / np.float32(self.spread)
        return parameters

    def epoch(self, parameters: Parameters, regularization: float, number: int) -> tuple[float, int]:
        """Solve for the items, then for the users, so that folding in a training user gives the same factors."""
        users, items = parameters["users"], parameters["items"]
        self.half(self.items, items, users, regularization, self.features[1])
        return self.half(self.users, users, items, regularization, self.features[0]) / self.size, self.size

    def half(
        self,
        side: HalfStep,
        rows: Floats,
        other: Floats,
        regularization: float,
        features: FeatureRows | None = None,
    ) -> float:
        """Solve for the rows of one side, in place; return the sum of squared errors."""
        k, width = self.solver.factors, rows.shape[1]
        partners, biases = partners_and_biases(other, k)
        # The equations of a row are divided by its number of ratings, so that one matrix is the penalty of all rows.
        weight = (1 / np.maximum(1, side.counts) if self.solver.weighted else np.ones(len(rows))).astype(np.float32)
        precision = np.eye(width, dtype=np.float32)
        precision[: k + 1] *= np.float32(regularization)
        other_weight, linear, errors = np.ones(len(other), np.float32), np.zeros_like(rows), np.empty(len(rows))
        if features is not None:
            linear += np.float32(regularization) * row_target(features, rows, k + 1).rows
        equations = partners, biases, weight, other_weight, precision, linear
        if self.solver.nonnegative:
            arguments = *side.table, *equations
            failed = max(
                self.run(lambda bounds: int(solve_nonnegative_rows(*arguments, *bounds, k, rows, errors)), side.ranges)
            )
        else:
            failed = solve_side(self.run, side.ranges, side.table, equations, 0, 0, 0.0, rows, errors)
        side.require_solved(failed)
        return float((errors / weight).sum())

    def validation_rmse(self, parameters: Parameters) -> float:
        """Return the RMSE of predictions, clipped to the rating scale, on the validation part."""
        k, table = self.solver.factors, self.validation
        biases = [np.ascontiguousarray(parameters[name][:, k]) for name in ("users", "items")]
        factors = []
        for name in ("users", "items"):
            factors.append(parameters[name].copy())
            factors[-1][:, k] = 0
        size = len(table)
        chunks = [(start, min(start + _CHUNK, size)) for start in range(0, size, _CHUNK)]
        columns = table.user, table.item, table.rating
        predictor, width = (*factors, *biases, *self.limits), (0,) * factors[0].shape[1]
        squares = self.run(lambda chunk: squared_error(*columns, *chunk, *predictor, width), chunks)
        return sqrt(sum(squares) / size)


class ALSFit(RegularizedFit):
    """One fit."""

    passes = "sweeps"
    solver: ALS

    def __init__(self, solver: ALS, session: Session) -> None:
        if solver.nonnegative and solver.device == "cuda":
            raise SettingsError("a graphics card does not solve for non-negative factors: choose device='cpu'")
        candidates = _WEIGHTED_CANDIDATES if solver.weighted else _UNWEIGHTED_CANDIDATES
        super().__init__(solver, session, solver.sweeps, candidates[len(candidates) // 2], candidates)

    def problem(self, ratings: Ratings, validation: Ratings | None) -> TrainingProblem:
        """Prepare ratings for training, and the validation part."""
        return ALSProblem(self.solver, ratings, validation, self.session.run)

    def model(self, problem: TrainingProblem, parameters: Parameters, regularization: float) -> Model:
        """Return the model of these parameters, in units of the ratings."""
        k, spread = self.solver.factors, problem.spread
        users, items = parameters["users"], parameters["items"]
        root = np.float32(sqrt(spread))
        known = [
            None if features is None else (features, row_target(features, rows, k + 1))
            for features, rows in zip(feature_rows(self.ratings, by_count=True), (users, items), strict=True)
        ]
        for one, rows in zip(known, (users, items), strict=True):
            if one is not None:
                rows[~one[0].is_rated] = one[1].rows[~one[0].is_rated]
        user_features, item_features = (
            None if one is None else attribute_weights(one[0], one[1].weights, spread, one[1].base) for one in known
        )
        # In units of the ratings, squared errors grow by spread^2 and squared factors by spread: so the penalty on
        # factors grows by spread, and that on biases stays.
        penalty = RidgePenalty(
            regularization * spread,
            regularization,
            by_count=self.solver.weighted,
            nonnegative=self.solver.nonnegative,
        )
        return Model(
            users=self.ratings.users,
            items=self.ratings.items,
            intercept=problem.center,
            mean=float(self.ratings.rating.mean(dtype=np.float64)),
            user_bias=users[:, k] * np.float32(spread),
            item_bias=items[:, k] * np.float32(spread),
            user_factors=users[:, :k] * root,
            item_factors=items[:, :k] * root,
            scale=self.ratings.scale,
            seen=self.ratings.by_user,
            penalty=penalty,
            user_features=user_features,
            item_features=item_features,
            training=self.training_record(regularization),
        )
