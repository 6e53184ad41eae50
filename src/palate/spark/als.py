"""Alternating least squares on Spark."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.model import Model
from palate.ratings import Ratings
from palate.solvers import ALS
from palate.solvers.als.fit import ALSFit, ALSProblem
from palate.solvers.half_step import HalfStep
from palate.solvers.regularization_search import Parameters, TrainingProblem
from palate.solvers.session import Session
from palate.spark.half_step import half_step
from palate.spark.row_work import SolveRatings
from palate.spark.table import SparkTable
from palate.spark.validation import hold_out, validation_error

__all__ = ["SparkALSFit"]

Floats = NDArray[np.float32]


class SparkALSProblem(ALSProblem):
    """Ratings on executors."""

    def __init__(self, solver: ALS, table: SparkTable, validation: Any = None) -> None:
        self.solver, self.table, self.size = solver, table, table.size
        self.center, self.spread = table.center, table.spread
        self.sides = {"users": table.users, "items": table.items}
        self.users, self.items = (HalfStep(None, side.counts, []) for side in self.sides.values())  # type: ignore[arg-type]
        self.held_out = validation

    def epoch(self, parameters: Parameters, regularization: float, number: int) -> tuple[float, int]:
        """Solve for the items, then for the users."""
        squares = 0.0
        for name, other in (("items", "users"), ("users", "items")):
            self.table.cluster.describe(f"sweep {number + 1}, {name} (λ = {regularization:g})")
            squares = self._half(name, parameters[name], parameters[other], regularization)
        return squares / self.size, self.size

    def _half(self, name: str, rows: Floats, other: Floats, regularization: float) -> float:
        cluster, k = self.table.cluster, self.solver.factors
        precision = np.eye(rows.shape[1])
        precision[: k + 1] *= np.float32(regularization)
        partners = cluster.publish_partners(other, k)
        before = cluster.publish(rows) if self.solver.nonnegative else None
        work = SolveRatings(
            size=len(rows), center=self.center, spread=self.spread, other=partners, precision=precision,
            by_count=self.solver.weighted, bounded=k if self.solver.nonnegative else None, before=before,
        )  # fmt: skip
        results = half_step(cluster, self.sides[name], rows, work)
        cluster.forget(partners, before)
        return float(sum(result["errors"] for result in results))

    def validation_rmse(self, parameters: Parameters) -> float:
        """Return the RMSE of predictions, clipped to the rating scale, on the validation part."""
        self.table.cluster.describe("validation")
        return validation_error(
            self.held_out, self.table, parameters["users"], parameters["items"], self.solver.factors
        )


class SparkALSFit(ALSFit):
    """One fit on Spark: the pilots and sweeps of `palate.solvers.als`, with the half-steps on executors."""

    def __init__(self, solver: ALS, session: Session, table: SparkTable) -> None:
        super().__init__(solver, session)
        self.table = table

    def problem(self, ratings: Ratings, validation: Ratings | None) -> TrainingProblem:
        """Return the whole table."""
        return SparkALSProblem(self.solver, self.table)

    def pilot_problem(self, in_validation: NDArray[np.bool_]) -> TrainingProblem:
        """Return the table without a validation part, which is chosen by a hash of the pair."""
        self.table.cluster.describe("hold the validation part out")
        train, held_out = hold_out(self.table, self.solver.validation, self.solver.seed)
        return SparkALSProblem(self.solver, train, held_out)

    def draw_validation(self) -> NDArray[np.bool_]:
        """Say whether the validation part would be large enough."""
        return np.array([self.table.size * self.solver.validation >= 50])

    def model(self, problem: TrainingProblem, parameters: Parameters, regularization: float) -> Model:
        """Return the model; it keeps its ratings where the driver sees them."""
        model = super().model(problem, parameters, regularization)
        seen = model.seen if self.table.cluster.is_shared else None
        return dataclasses.replace(model, mean=self.table.center, seen=seen)
