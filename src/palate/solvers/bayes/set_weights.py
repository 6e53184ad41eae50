"""Drawing the weights of rated sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.kernels.rows import SET_COLUMNS, weigh_sets
from palate.parallel import Run

if TYPE_CHECKING:
    from palate.solvers.bayes.chain import Side

__all__ = ["Linked", "choose", "draw_sets"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Gamma prior of the precision of set weights, and the steps by which their scale may move at once.
_SHAPE, _RATE = 0.5, 0.05
_STRETCHES = np.exp(np.linspace(-0.5, 0.5, 401))


class Linked(NamedTuple):
    """A side whose prior is linked to rated sets, and what its draw depends on.

    Attributes
    ----------
    side, other
        This side, and the one whose rows are the predictors.
    lengths
        float32 (others,): the squared length of each predictor.
    precision
        (k + 1, k + 1): of the side's rows given their sets.
    """

    side: Side
    other: Side
    lengths: Floats
    precision: Doubles


def draw_sets(linked: Sequence[Linked], run: Run, rng: np.random.Generator) -> None:
    """Draw the set weights of some sides, with their precision and their scale.

    What a side's weights are depends on its own rows alone, so those of both sides are drawn side by side.
    """
    draws = [_Draw.begin(one, rng) for one in linked]
    run(lambda work: work[0].work(work[1]), [(draw, number) for draw in draws for number in range(len(draw.pieces))])
    for draw in draws:
        draw.finish(rng)


@dataclass
class _Draw:
    """One coordinate pass over the whitened weights, in pieces of a few columns each."""

    linked: Linked
    root: Doubles
    target: Floats
    key: int
    pieces: list[tuple[Floats, Floats]]

    @classmethod
    def begin(cls, linked: Linked, rng: np.random.Generator) -> _Draw:
        side, d = linked.side, linked.side.columns
        root = np.asarray(np.linalg.cholesky(linked.precision), np.float64)
        target = ((side.factors[:, :d] - side.mean) @ root).astype(np.float32)
        rest = target - (side.prior[:, :d] @ root).astype(np.float32)
        weights = (side.weights[:, :d] @ root).astype(np.float32)
        pieces = [(_piece(rest, start), _piece(weights, start)) for start in range(0, d, SET_COLUMNS)]
        return cls(linked, root, target, int(rng.integers(2**62)), pieces)

    def work(self, number: int) -> None:
        side, table = self.linked.side, self.linked.other.table
        given = table.indptr, table.indices, side.share, self.linked.lengths
        weigh_sets(*given, *self.pieces[number], np.float32(side.sets_precision), self.key + number, True)

    def finish(self, rng: np.random.Generator) -> None:
        """Put the weights together, then draw their precision and, at one go, their scale."""
        side, d = self.linked.side, self.linked.side.columns
        rest, weights = (np.hstack(parts)[:, :d] for parts in zip(*self.pieces, strict=True))
        linked = self.target - rest
        drawn_precision = rng.gamma(_SHAPE + weights.size / 2) / (_RATE + _dot(weights, weights) / 2)
        # Interweaving: the weights' scale and their precision move together, without which the chain crawls.
        quadratic, cross = _dot(linked, linked), _dot(linked, self.target)
        # Where the present scale lies on the grid is left to chance: a window around it would not be reversible.
        stretches = _STRETCHES / rng.choice(_STRETCHES)
        stretched = drawn_precision / stretches**2
        weighed = (
            _SHAPE * np.log(stretched) - _RATE * stretched - (stretches**2 * quadratic - 2 * stretches * cross) / 2
        )
        stretch = choose(stretches, weighed, rng)
        side.sets_precision = drawn_precision / stretch**2
        back = np.linalg.inv(self.root) * stretch
        side.weights[:, :d], side.prior[:, :d] = weights @ back, linked @ back


def _piece(columns: Floats, start: int) -> Floats:
    piece = np.zeros((len(columns), SET_COLUMNS), np.float32)
    some = columns[:, start : start + SET_COLUMNS]
    piece[:, : some.shape[1]] = some
    return piece


def _dot(a: Floats, b: Floats) -> float:
    return float(np.einsum("rc,rc->", a, b, dtype=np.float64))


def choose(grid: Doubles, weighed: Doubles, rng: np.random.Generator) -> float:
    """Draw one of a grid, given the logarithms of its weights."""
    weights = np.exp(weighed - weighed.max())
    return float(rng.choice(grid, p=weights / weights.sum()))
