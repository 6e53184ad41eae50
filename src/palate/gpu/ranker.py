"""The best items of many users, by products on a card; the same lists as `palate.ranking.batch`, to the last bit.

The card proposes a few more items than are wanted. Their scores are computed again on the CPU, in the fixed order, and
only these decide. Where the proposals cannot be shown to hold all of the best, the CPU ranks alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from palate.gpu.device import exact_products, with_room
from palate.gpu.table import upload
from palate.parallel import Run
from palate.ranking.batch import BatchRanker, SeenRanges
from palate.ranking.single import Floats, check_count, spread_factors

if TYPE_CHECKING:
    import torch

__all__ = ["DeviceRanker"]

Indices = NDArray[np.int32]

# The products in a block, and the least number after a lack of memory.
_CELLS, _LEAST_CELLS = 1 << 27, 1 << 20
# The card proposes this many more items than are wanted: rounding could exchange only items with almost equal scores.
_MORE = 16
# A thread scores the proposals of this many users at a time.
_TASK = 256


class DeviceRanker(BatchRanker):
    """The items that are ranked for many users on a card: a `BatchRanker` that is opened and called in the same way.

    Parameters
    ----------
    device
        The card.
    factors, bias, allowed, lowest
        As for `BatchRanker`.
    """

    def __init__(
        self,
        device: torch.device,
        factors: Floats,
        bias: Floats,
        allowed: NDArray[np.bool_] | None = None,
        lowest: bool = False,
    ) -> None:
        super().__init__(factors, bias, allowed, lowest)
        self._device, self._cells = device, _CELLS
        items = self._factors[: self.size], self._bias[0, : self.size]  # without the padding
        self._placed = with_room(lambda: [upload(array, device) for array in items], lambda: False)

    def _rank(
        self, run: Run, threads: int, vectors: Floats, offsets: Floats, n: int, seen: SeenRanges | None
    ) -> tuple[Indices, Floats]:
        check_count(n)
        items, values = np.full((len(vectors), n), -1, np.int32), np.full((len(vectors), n), np.nan, np.float32)
        sure, at = np.ones(len(vectors), np.bool_), 0
        while self.size and at < len(vectors):

            def propose(first: int = at) -> tuple[slice, Indices, Floats]:
                rows = slice(first, first + max(1, self._cells // len(self._factors)))
                return rows, *self._proposals(vectors[rows], min(n + _MORE, self.size), seen and seen.of(rows))

            rows, proposed, products = with_room(propose, self._shrink)
            best = items[rows], values[rows]
            sure[rows] = self._decide(run, vectors[rows], offsets[rows], proposed, products, *best)
            at += len(proposed)
        left = np.flatnonzero(~sure)
        if len(left):
            seen_left = seen and SeenRanges(seen.starts[left], seen.ends[left], seen.items)
            items[left], values[left] = super()._rank(run, threads, vectors[left], offsets[left], n, seen_left)
        return items, values

    def _shrink(self) -> bool:
        self._cells //= 2
        return self._cells >= _LEAST_CELLS

    def _proposals(self, vectors: Floats, count: int, seen: SeenRanges | None) -> tuple[Indices, Floats]:
        """Return the positions of the items with the highest products, and these, each (users, count)."""
        import torch

        factors, bias = self._placed
        padded = np.zeros((len(vectors), factors.shape[1]), np.float32)
        padded[:, : vectors.shape[1]] = self._sign * vectors
        with exact_products():
            products = torch.addmm(bias, upload(padded, self._device), factors.T)
        if seen is not None:
            row, item = self._hidden(seen)
            products[upload(row, self._device), upload(item, self._device)] = -torch.inf
        highest, positions = products.topk(count, dim=1)
        return positions.int().cpu().numpy(), highest.cpu().numpy()

    def _hidden(self, seen: SeenRanges) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the users' rows and the positions of what they have seen, a pair for each."""
        counts = seen.ends - seen.starts
        row = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(row)) + np.repeat(seen.starts - (np.cumsum(counts) - counts), counts)
        item = seen.items[place]
        if len(self._position):
            item = self._position[item]
            row, item = row[item >= 0], item[item >= 0]
        return row, item.astype(np.int64)

    def _decide(
        self,
        run: Run,
        vectors: Floats,
        offsets: Floats,
        proposed: Indices,
        products: Floats,
        items: Indices,
        values: Floats,
    ) -> NDArray[np.bool_]:
        """Fill in the best of the proposals, by their exact scores; return for which users they are surely the best."""
        from palate.kernels.ranking import score_pairs

        spread, signed_offsets = spread_factors(self._sign * vectors), (self._sign * offsets).astype(np.float32)
        scores = np.empty(proposed.shape, np.float32)

        def score(rows: slice) -> None:
            score_pairs(self._factors, self._bias, spread[rows], signed_offsets[rows], proposed[rows], scores[rows])

        score(slice(0, 0))  # loads the kernel before the threads start
        run(score, [slice(start, start + _TASK) for start in range(0, len(vectors), _TASK)])
        scores[products == -np.inf] = -np.inf
        count = min(items.shape[1], self.size)
        order = np.lexsort((proposed, -scores))[:, :count]
        best, chosen = np.take_along_axis(scores, order, axis=1), np.take_along_axis(proposed, order, axis=1)
        filled = best > -np.inf
        index = self._index[chosen] if len(self._index) else chosen
        items[:, :count] = np.where(filled, index, -1)
        values[:, :count] = np.where(filled, self._sign * best + np.float32(0), np.nan)  # no -0
        if proposed.shape[1] == self.size:
            return np.ones(len(vectors), np.bool_)
        # An item that was not proposed has at most the lowest product of those that were.
        slack, lowest = self._slack(vectors, offsets).astype(np.float64), products[:, -1].astype(np.float64)
        return np.asarray((lowest == -np.inf) | (best[:, -1] > lowest + signed_offsets + slack))
