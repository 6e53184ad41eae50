"""A validation part of a table on Spark: pairs that a hash chooses, left out of the parts of a second table."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.spark.arrays import SharedArray
from palate.spark.cluster import SIDES, Side
from palate.spark.table import SparkTable
from palate.spark.table_files import SideFiles, TablePart
from palate.spark.tasks import Partners, Work, own_rows

__all__ = ["HeldOut", "hold_out", "is_held_out", "validation_error"]

Floats = NDArray[np.float32]


def is_held_out(user: NDArray[Any], item: NDArray[Any], share: float, seed: int) -> NDArray[np.bool_]:
    """Choose pairs by a hash of their indices (the finalizer of MurmurHash3), whichever machine asks.

    >>> chosen = is_held_out(np.arange(10_000), np.zeros(10_000, np.int64), 0.1, 0)
    >>> 900 < int(chosen.sum()) < 1100
    True
    """
    mixed = (user.astype(np.uint64) << np.uint64(32)) ^ item.astype(np.uint64)
    mixed ^= np.uint64((seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed ^= mixed >> np.uint64(33)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(33)
    return mixed < np.uint64(min(2**64 - 1, int(share * 2.0**64)))


@dataclass(frozen=True)
class HeldOut:
    """Which pairs of a table are the validation part."""

    table: SparkTable
    share: float
    seed: int


@dataclass(frozen=True)
class _Chosen:
    """Chooses the ratings of a part that are held out."""

    side: str
    share: float
    seed: int

    def __call__(self, part: TablePart) -> NDArray[np.bool_]:
        rows = np.repeat(np.arange(part.start, part.stop), np.diff(part.table.indptr))
        user, item = (rows, part.table.indices) if self.side == "user" else (part.table.indices, rows)
        return is_held_out(user, item, self.share, self.seed)


@dataclass(frozen=True)
class _CountRest(Work):
    """Counts the ratings of each row that are left for training."""

    chosen: _Chosen

    def __call__(self, part: TablePart) -> dict[str, Any]:
        left = np.concatenate([[0], np.cumsum(~self.chosen(part))])
        return {"counts": np.diff(left[part.table.indptr])}


@dataclass(frozen=True)
class _WriteRest(Work):
    """Writes the ratings of each part that are left for training."""

    chosen: _Chosen
    files: SideFiles

    def __call__(self, part: TablePart) -> dict[str, Any]:
        left = ~self.chosen(part)
        rows = np.repeat(np.arange(part.start, part.stop, dtype=np.int32), np.diff(part.table.indptr))
        number = self.files.bounds.index(part.start)
        self.files.write(number, rows[left], part.table.indices[left], part.table.values[left])
        return {}


def hold_out(table: SparkTable, share: float, seed: int) -> tuple[SparkTable, HeldOut]:
    """Return a table without a share of its ratings, and that share."""
    cluster, sides = table.cluster, {}
    for name in SIDES:
        side, chosen = table.sides[name], _Chosen(name, share, seed)
        counts = np.concatenate([result["counts"] for result in cluster.run(side, _CountRest(chosen))])
        before = np.concatenate([[0], np.cumsum(counts)])
        files = SideFiles(
            f"{side.files.folder}-training", side.files.bounds, tuple(int(before[bound]) for bound in side.files.bounds)
        )
        work = _WriteRest(chosen, files)
        sides[name] = Side(name, side.ids, counts, files, side.chunks, parent=side, refill=work)
    size = int(sides["user"].counts.sum())
    return dataclasses.replace(table, sides=sides, size=size), HeldOut(table, share, seed)


@dataclass(frozen=True)
class _MeasureHeldOut(Work):
    """Sums squared errors of clipped predictions of the held-out ratings of a part."""

    chosen: _Chosen
    center: float
    spread: float
    limits: tuple[float, float]
    factors: SharedArray
    other: Partners

    @property
    def step(self) -> int | None:
        return self.other.factors.step

    def __call__(self, part: TablePart) -> dict[str, Any]:
        chosen = np.flatnonzero(self.chosen(part))
        rows = np.repeat(np.arange(part.stop - part.start), np.diff(part.table.indptr))[chosen]
        indices, partners, biases, _ = self.other.of(part)
        items = indices[chosen]
        predicted = np.einsum("rc,rc->r", own_rows(part, self.factors)[rows], partners[items]) + biases[items]
        predicted = np.clip(predicted, *self.limits)
        values = (part.table.values[chosen] - np.float32(self.center)) * np.float32(1 / self.spread)
        return {"squares": float(((values - predicted).astype(np.float64) ** 2).sum()), "count": len(chosen)}


def validation_error(held_out: HeldOut, training: SparkTable, users: Floats, items: Floats, k: int) -> float:
    """Return the RMSE on the validation part, in standardized units."""
    table = held_out.table
    cluster, side = table.cluster, table.users
    ends = table.scale.low, table.scale.high
    low, high = ((end - training.center) / training.spread for end in ends)
    factors, partners = cluster.publish(users), cluster.publish_partners(items, k)
    work = _MeasureHeldOut(
        _Chosen("user", held_out.share, held_out.seed), training.center, training.spread, (low, high), factors, partners
    )
    results = cluster.run(side, work)
    cluster.forget(factors, partners)
    return sqrt(sum(one["squares"] for one in results) / max(1, sum(one["count"] for one in results)))
