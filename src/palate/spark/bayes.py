"""Gibbs sampling on Spark.

The executors draw the factors and biases of users and items, which is nearly all of the work, and sum up what the
hyperpriors and the noise are drawn from. The driver draws the rest: hyperpriors, noise, and the weights of rated sets,
which a pass draws one after the other, so that they can be divided among threads but hardly among machines.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, SettingsError
from palate.parallel import Run
from palate.ratings import Grouped, Ratings
from palate.solvers import BayesianMF
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.fit import GibbsFit
from palate.solvers.bayes.state import ModelParts, SideState
from palate.solvers.half_step import standardize
from palate.solvers.session import Session
from palate.spark.cluster import SIDES
from palate.spark.half_step import half_step
from palate.spark.row_work import MeasureErrors, SolveRatings
from palate.spark.table import SparkTable
from palate.spark.table_files import TablePart

__all__ = ["SparkChain", "SparkGibbsFit"]

Doubles = NDArray[np.float64]

# Ratings that are standardized at a time.
_CHUNK = 1 << 20
# What tasks add up of the rows that they draw.
_SUMS = ("sum", "scatter")


class SparkChain(Chain):
    """A chain whose rows are drawn by executors."""

    def __init__(
        self, by_user: Grouped, by_item: Grouped, k: int, parts: ModelParts, seed: int, run: Run, table: SparkTable
    ) -> None:
        super().__init__(by_user, by_item, k, parts, seed, run)
        self.table = table
        # The sum of a side's rows and of their squares, from the tasks that drew them.
        self.sums: dict[str, tuple[Doubles, Doubles]] = {}

    def _name(self, side: SideState) -> str:
        return "user" if side is self.users else "item"

    def _moments(self, side: SideState) -> tuple[Doubles, Doubles]:
        sums = self.sums.get(self._name(side))
        if sums is None:  # at the start, and after a checkpoint
            return super()._moments(side)
        n, mean = len(side.factors), sums[0] / len(side.factors)
        return mean, sums[1] - n * np.outer(mean, mean)

    def _draw_rows(self, side: SideState, other: SideState, precision: Doubles, rng: np.random.Generator) -> Doubles:
        cluster, name, d = self.table.cluster, self._name(side), side.columns
        padded_precision = np.eye(side.factors.shape[1])
        padded_precision[:d, :d] = precision
        has_sets = self.parts.user_sets if side is self.users else self.parts.item_sets
        row_weight = cluster.publish(side.noise) if side.is_noisy else None
        prior = cluster.publish(side.prior) if has_sets else None
        partners = cluster.publish_partners(other.factors, side.k, other.noise if other.is_noisy else None)
        present = cluster.publish(side.factors) if side.correlation else None
        work = SolveRatings(
            size=len(side.factors), center=self.table.center, spread=self.table.spread, other=partners,
            precision=padded_precision, weight=self.precision, row_weight=row_weight,
            mean=side.mean, prior=prior, before=present, draws=d, key=int(rng.integers(2**62)),
            correlation=side.correlation,
        )  # fmt: skip
        cluster.describe(f"sweep {self.sweeps + 1}, {name}s")
        try:
            results = half_step(cluster, self.table.sides[name], side.factors, work)
        except SettingsError as error:
            raise DataError(
                "the ratings differ so much in size that float32 is not precise enough for their products: rescale them"
            ) from error
        last = work(_empty_part(len(side.factors) - 1))  # the row without ratings
        side.factors[-1] = last["rows"][0]
        cluster.forget(partners, prior, present, row_weight)
        self.sums[name] = tuple(sum(one[key] for one in [*results, last]) for key in _SUMS)
        return np.concatenate([one["errors"] for one in [*results, last]])

    def _user_errors(self) -> tuple[Doubles, Doubles]:
        cluster, users, items = self.table.cluster, self.users, self.items
        factors = cluster.publish(users.factors)
        partners = cluster.publish_partners(items.factors, items.k, items.noise if items.is_noisy else None)
        cluster.describe(f"sweep {self.sweeps + 1}, noise")
        work = MeasureErrors(self.table.center, self.table.spread, factors, partners)
        results = cluster.run(self.table.users, work)
        cluster.forget(factors, partners)
        squares, weighted = (np.append(np.concatenate([one[key] for one in results]), 0) for key in results[0])
        return squares, weighted

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return all arrays and numbers that the next sweep depends on, by name."""
        arrays, numbers = super().state()
        sums = {f"{name}.{key}": array for name, pair in self.sums.items() for key, array in zip(_SUMS, pair)}
        return arrays | sums, numbers

    def restore(self, arrays: dict[str, Any], numbers: dict[str, Any]) -> None:
        """Set what `state` returned."""
        for name in SIDES:
            self.sums[name] = tuple(arrays.pop(f"{name}.{key}") for key in _SUMS)
        super().restore(arrays, numbers)


def _empty_part(row: int) -> TablePart:
    """Return a part with one row and no ratings."""
    return TablePart(row, row + 1, Grouped(np.zeros(2, np.int64), np.empty(0, np.int32), np.empty(0, np.float32)))


class SparkGibbsFit(GibbsFit):
    """One fit on Spark: the pilots, the chain and the averages of `palate.solvers.bayes`.

    Pilots work on a sample of a quarter of a million ratings, on the driver.
    """

    def __init__(self, solver: BayesianMF, session: Session, spark_table: SparkTable) -> None:
        self.spark_table, self.folder = spark_table, spark_table.cluster.folder
        super().__init__(solver, session)
        average = self.accumulator.mean
        for name in ("left", "right"):  # far larger than the factors, and touched once a sweep
            setattr(average, name, _mapped_zeros(self.folder / f"mean-{name}.bin", getattr(average, name)))

    def _standardize(self) -> tuple[float, float, Ratings]:
        center, spread = self.spark_table.center, self.spark_table.spread
        tables = []
        for name, grouped in (("user", self.ratings.by_user), ("item", self.ratings.by_item)):
            values = _mapped_zeros(self.folder / f"standardized-{name}.bin", grouped.values)
            for start in range(0, len(values), _CHUNK):
                chunk = slice(start, start + _CHUNK)
                values[chunk] = standardize(grouped.values[chunk], center, spread)
            tables.append(grouped._replace(values=values))
        # Effects of time are not drawn on Spark.
        table = replace(self.ratings, rating=tables[0].values, time=None)
        vars(table).update(by_user=tables[0], by_item=tables[1])
        vars(table).update(user_counts=self.ratings.user_counts, item_counts=self.ratings.item_counts)
        return center, spread, table

    def _make_chain(self, has_factors: bool, parts: ModelParts) -> Chain:
        table, k = self.table, self.k if has_factors else 0
        return SparkChain(table.by_user, table.by_item, k, parts, self.solver.seed, self.session.run, self.spark_table)


def _mapped_zeros(path: Path, like: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.memmap(path, like.dtype, "w+", shape=like.shape))
