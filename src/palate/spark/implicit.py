"""Implicit alternating least squares on Spark."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, SettingsError
from palate.model import Model
from palate.ratings import Ratings
from palate.solvers import ImplicitALS
from palate.solvers.feature_rows import FeatureRows
from palate.solvers.half_step import HalfStep
from palate.solvers.implicit.fit import ImplicitFit
from palate.solvers.liked_pairs import require_choices
from palate.solvers.session import Session
from palate.spark.half_step import half_step
from palate.spark.row_work import SolveChoices
from palate.spark.table import SparkTable

__all__ = ["SparkImplicitFit"]

Floats = NDArray[np.float32]


class SparkImplicitFit(ImplicitFit):
    """One fit on Spark: the sweeps of `palate.solvers.implicit`, with the half-steps on executors."""

    def __init__(self, solver: ImplicitALS, session: Session, table: SparkTable) -> None:
        self.table = table
        # The gram matrix of rows that tasks have solved for, and these rows.
        self.gram: tuple[Floats, NDArray[np.float64]] | None = None
        super().__init__(solver, session)

    def prepare(self, width: int) -> tuple[HalfStep, HalfStep]:
        """Return what the driver knows of both sides: the numbers of ratings."""
        sides = self.table.users, self.table.items
        users, items = (HalfStep(None, side.counts, []) for side in sides)  # type: ignore[arg-type]
        return users, items

    def chosen(self) -> Ratings:
        """Return all rated pairs: tasks leave out those that are no choice.

        Raises
        ------
        DataError
            If no rating is high enough for a choice.
        """
        if self.solver.liked is not None and self.table.scale.high < self.solver.liked:
            require_choices(self.ratings.take(slice(0)), self.solver.liked)
        return self.ratings

    def mean_confidence(self) -> float:
        """Return the mean rating.

        Raises
        ------
        DataError
            If a rating is not above zero.
        SettingsError
            If some ratings are no choices: their mean is not known.
        """
        if self.solver.liked is not None:
            raise SettingsError(
                "on Spark --confidence and --liked do not go together: leave low ratings out of the table"
            )
        if self.table.low <= 0:
            raise DataError(
                f"some ratings are no confidence above zero, such as {self.table.low:g}: leave them out, or set no "
                "confidence"
            )
        return self.table.center

    def choose(self) -> None:
        """Choose the settings that are left open, on the driver.

        Raises
        ------
        SettingsError
            If the driver does not see the ratings.
        """
        if not self.table.cluster.is_shared and None in (self.solver.regularization, self.solver.unobserved):
            raise SettingsError(
                "settings are chosen only where the driver sees the work folder of the executors: name one "
                "(--work-folder), or give regularization and unobserved"
            )
        super().choose()

    def half(self, side: HalfStep, rows: Floats, other: Floats, features: FeatureRows | None = None) -> float:
        """Solve for the rows of one side, in place; return the mean of (1 - score)^2 over the rated pairs."""
        solver, cluster, name = self.solver, self.table.cluster, "user" if side is self.users else "item"
        cluster.describe(f"sweep {self.done + 1}, {name}s")
        assert solver.regularization is not None
        assert solver.unobserved is not None
        partners = cluster.publish(other)
        work = SolveChoices(
            len(rows), len(other), partners, (solver.unobserved * self._gram_of(other)).astype(np.float32),
            solver.regularization, solver.unobserved, solver.exponent, self.confidence_scale, solver.liked,
        )  # fmt: skip
        results = half_step(cluster, self.table.sides[name], rows, work)
        cluster.forget(partners)
        self.gram = rows, sum(one["gram"] for one in results)
        return float(sum(one["squares"] for one in results) / sum(one["weight"] for one in results))

    def go_beyond(self, rows: Floats, before: Floats) -> None:
        """Move the rows of a side on, in place, by a share of the step that they have made."""
        super().go_beyond(rows, before)
        self.gram = None

    def _gram_of(self, rows: Floats) -> NDArray[np.float64]:
        """Return the sum that the tasks of the last half-step returned; the driver computes it if rows moved since."""
        if self.gram is not None and self.gram[0] is rows:
            return self.gram[1]
        doubles = rows.astype(np.float64)
        return doubles.T @ doubles

    def model(self) -> Model:
        """Return the model; it keeps its ratings where the driver sees them."""
        model = super().model()
        return model if self.table.cluster.is_shared else dataclasses.replace(model, seen=None)
