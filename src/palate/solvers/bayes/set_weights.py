"""Draws the weights of rated sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.kernels.rows import SET_COLUMNS, weigh_sets
from palate.parallel import Run
from palate.solvers.bayes.state import SideState

__all__ = ["LinkedSide", "draw_from_grid", "draw_set_weights"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Gamma prior of the precision of set weights, and the factors by which their scale may change in one move.
_SHAPE, _RATE = 0.5, 0.05
_SCALES = np.exp(np.linspace(-0.5, 0.5, 401))


class LinkedSide(NamedTuple):
    """A side whose prior depends on rated sets, and what the draw of its set weights depends on.

    Attributes
    ----------
    side, other
        This side, and the other one, whose rows are the members of the sets.
    lengths
        float32 (others,): the squared length of each column of X.
    precision
        float64 (k + 1, k + 1): of the side's rows given their sets.
    """

    side: SideState
    other: SideState
    lengths: Floats
    precision: Doubles


def draw_set_weights(linked_sides: Sequence[LinkedSide], run: Run, rng: np.random.Generator) -> None:
    """Draw the set weights of some sides, with their precision and their scale, in place.

    The weights of a side depend on the rows of that side alone, so both sides are drawn at the same time.
    """
    passes = [_CoordinatePass.start(linked, rng) for linked in linked_sides]
    tasks = [(one, number) for one in passes for number in range(len(one.pieces))]
    run(lambda task: task[0].draw_piece(task[1]), tasks)
    for one in passes:
        one.finish(rng)


@dataclass
class _CoordinatePass:
    """One Gibbs pass over the weights of a side, coordinate by coordinate, in pieces of a few columns each.

    Rows and weights are multiplied by a root of the precision, which makes their columns independent.
    """

    linked: LinkedSide
    root: Doubles
    target: Floats
    key: int
    pieces: list[tuple[Floats, Floats]]

    @classmethod
    def start(cls, linked: LinkedSide, rng: np.random.Generator) -> _CoordinatePass:
        side, d = linked.side, linked.side.columns
        root = np.asarray(np.linalg.cholesky(linked.precision), np.float64)
        target = ((side.factors[:, :d] - side.feature_prior[:, :d] - side.mean) @ root).astype(np.float32)
        residual = target - (side.prior[:, :d] @ root).astype(np.float32)
        weights = (side.weights[:, :d] @ root).astype(np.float32)
        pieces = [(_piece(residual, first), _piece(weights, first)) for first in range(0, d, SET_COLUMNS)]
        return cls(linked, root, target, int(rng.integers(2**62)), pieces)

    def draw_piece(self, number: int) -> None:
        side, table = self.linked.side, self.linked.other.table
        sets = table.indptr, table.indices, side.shares, self.linked.lengths
        weigh_sets(*sets, *self.pieces[number], np.float32(side.sets_precision), self.key + number, True)

    def finish(self, rng: np.random.Generator) -> None:
        """Join the pieces, then draw the precision of the weights and, together with it, their scale."""
        side, d = self.linked.side, self.linked.side.columns
        residual, weights = (np.hstack(columns)[:, :d] for columns in zip(*self.pieces, strict=True))
        prior = self.target - residual
        members = weights[self.linked.other.informative]
        drawn_precision = rng.gamma(_SHAPE + members.size / 2) / (_RATE + _dot(members, members) / 2)
        # Interweaving: the scale of the weights and their precision move together. Without this move the chain mixes
        # very slowly.
        quadratic, cross = _dot(prior, prior), _dot(prior, self.target)
        # The grid is shifted by chance, so that the present scale may lie anywhere on it: a grid centred at the present
        # scale would not be reversible.
        scales = _SCALES / rng.choice(_SCALES)
        precisions = drawn_precision / scales**2
        log_density = (
            _SHAPE * np.log(precisions) - _RATE * precisions - (scales**2 * quadratic - 2 * scales * cross) / 2
        )
        scale = draw_from_grid(scales, log_density, rng)
        side.sets_precision = drawn_precision / scale**2
        back = np.linalg.inv(self.root) * scale
        side.weights[:, :d], side.prior[:, :d] = weights @ back, prior @ back


def _piece(columns: Floats, first: int) -> Floats:
    """Copy the SET_COLUMNS columns from `first` on, with columns of zeros where there are fewer."""
    piece = np.zeros((len(columns), SET_COLUMNS), np.float32)
    present = columns[:, first : first + SET_COLUMNS]
    piece[:, : present.shape[1]] = present
    return piece


def _dot(a: Floats, b: Floats) -> float:
    return float(np.einsum("rc,rc->", a, b, dtype=np.float64))


def draw_from_grid(grid: Doubles, log_density: Doubles, rng: np.random.Generator) -> float:
    """Draw a value of a grid, given the logarithm of the density at each, up to a constant."""
    density = np.exp(log_density - log_density.max())
    return float(rng.choice(grid, p=density / density.sum()))
