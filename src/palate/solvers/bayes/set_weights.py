"""Draws the weights of rated sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.kernels.rows import SET_COLUMNS, weigh_sets
from palate.parallel import Run
from palate.solvers.bayes.row_blocks import for_row_blocks, sum_row_blocks
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
    passes = [_CoordinatePass.start(linked, run, rng) for linked in linked_sides]
    tasks = [(one, number) for one in passes for number in range(len(one.residuals))]
    run(lambda task: task[0].draw_piece(task[1]), tasks)
    for one in passes:
        one.finish(run, rng)


@dataclass
class _CoordinatePass:
    """One Gibbs pass over the weights of a side, coordinate by coordinate, in pieces of a few columns each.

    Rows and weights are multiplied by a root of the precision, which makes their columns independent.

    Attributes
    ----------
    linked
        The side.
    root
        float64 (k + 1, k + 1): the root.
    key
        Of the random draws.
    residuals, weights
        float32 (rows, SET_COLUMNS) and (others, SET_COLUMNS) each: the residuals of the rows and the weights, by pieces
        of their columns; columns of zeros follow the last.
    """

    linked: LinkedSide
    root: Doubles
    key: int
    residuals: list[Floats]
    weights: list[Floats]

    @classmethod
    def start(cls, linked: LinkedSide, run: Run, rng: np.random.Generator) -> _CoordinatePass:
        side, d = linked.side, linked.side.columns
        root = np.asarray(np.linalg.cholesky(linked.precision), np.float64)
        residuals, weights = (
            [np.zeros((len(rows), SET_COLUMNS), np.float32) for _ in range(0, d, SET_COLUMNS)]
            for rows in (side.factors, side.weights)
        )
        started = cls(linked, root, int(rng.integers(2**62)), residuals, weights)

        def fill_residuals(block: slice) -> None:
            prior = (side.prior[block, :d] @ root).astype(np.float32)
            _split(started._targets(block) - prior, block, residuals)

        for_row_blocks(fill_residuals, len(side.factors), run)
        for_row_blocks(lambda block: _split(side.weights[block, :d] @ root, block, weights), len(side.weights), run)
        return started

    def _targets(self, block: slice) -> Floats:
        """Return what the sets are to explain: factors and biases without their mean."""
        side = self.linked.side
        d = side.columns
        return ((side.factors[block, :d] - side.by_features(block)[:, :d] - side.mean) @ self.root).astype(np.float32)

    def draw_piece(self, number: int) -> None:
        side, table = self.linked.side, self.linked.other.table
        sets = table.indptr, table.indices, side.shares, self.linked.lengths
        pieces = self.residuals[number], self.weights[number]
        weigh_sets(
            *sets, *pieces, np.float32(side.sets_precision), self.key + number, True, np.float32(side.correlation)
        )

    def finish(self, run: Run, rng: np.random.Generator) -> None:
        """Join the pieces, then draw the precision of the weights and, together with it, their scale."""
        side, d = self.linked.side, self.linked.side.columns

        def weigh_priors(block: slice) -> Doubles:
            """Put the drawn prior in the place of the residuals; return its products with itself and the targets."""
            targets = self._targets(block)
            priors = targets - _join(self.residuals, block, d)
            _split(priors, block, self.residuals)
            return np.array([_dot(priors, priors), _dot(priors, targets)])

        def squares_of(block: slice) -> Doubles:
            weights = _join(self.weights, block, d)[self.linked.other.informative(block)]
            return np.array([_dot(weights, weights)])

        quadratic, cross = sum_row_blocks(weigh_priors, len(side.factors), run)
        (squares,) = sum_row_blocks(squares_of, len(side.weights), run)
        drawn_precision = rng.gamma(_SHAPE + self.linked.other.informative_rows * d / 2) / (_RATE + squares / 2)
        # Interweaving: the scale of the weights and their precision move together. Without this move the chain mixes
        # very slowly.
        # The grid is shifted by chance, so that the present scale may lie anywhere on it: a grid centred at the present
        # scale would not be reversible.
        scales = _SCALES / rng.choice(_SCALES)
        precisions = drawn_precision / scales**2
        log_density = (
            _SHAPE * np.log(precisions) - _RATE * precisions - (scales**2 * quadratic - 2 * scales * cross) / 2
        )
        scale = draw_from_grid(scales, log_density, rng)
        side.sets_precision = float(drawn_precision / scale**2)
        back = np.asarray(np.linalg.inv(self.root) * scale, np.float64)
        self._write_back(self.weights, back, side.weights, run)
        self._write_back(self.residuals, back, side.prior, run)

    def _write_back(self, pieces: Sequence[Floats], back: Doubles, rows: Floats, run: Run) -> None:
        """Multiply the joined pieces by `back` and write the products into the first columns of rows."""
        d = self.linked.side.columns

        def write_block(block: slice) -> None:
            rows[block, :d] = _join(pieces, block, d) @ back

        for_row_blocks(write_block, len(rows), run)


def _split(columns: Doubles | Floats, block: slice, pieces: Sequence[Floats]) -> None:
    """Write a block of rows into the pieces of its columns."""
    for number, piece in enumerate(pieces):
        present = columns[:, number * SET_COLUMNS : (number + 1) * SET_COLUMNS]
        piece[block, : present.shape[1]] = present


def _join(pieces: Sequence[Floats], block: slice, columns: int) -> Floats:
    """Return a block of rows from the pieces of its columns."""
    return np.hstack([piece[block] for piece in pieces])[:, :columns]


def _dot(a: Floats, b: Floats) -> float:
    return float(np.einsum("rc,rc->", a, b, dtype=np.float64))


def draw_from_grid(grid: Doubles, log_density: Doubles, rng: np.random.Generator) -> float:
    """Draw a value of a grid, given the logarithm of the density at each, up to a constant."""
    density = np.exp(log_density - log_density.max())
    return float(rng.choice(grid, p=density / density.sum()))
