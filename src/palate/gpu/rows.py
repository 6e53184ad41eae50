"""The row solver on a card: what `palate.kernels.rows` does, for all rows of one side.

Rows of like length are solved together: their ratings are gathered into one array, padded with ratings of weight 0, so
that the gram matrices are one batched product, and the equations one batched Cholesky factorization. Every sum has a
fixed order for a given block size, and no two operations write to one place, so a card gives the same bits each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.gpu.blocks import Block, Equations, gather, quadratic_form
from palate.gpu.device import exact_products, with_room
from palate.gpu.normals import draw_normals
from palate.gpu.table import DeviceTable, Slab, upload

if TYPE_CHECKING:
    import torch

__all__ = ["DeviceRows"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
#: A table: indptr, indices and values, as in `palate.ratings.Grouped`.
Table = tuple[NDArray[np.int64], NDArray[np.int32], Floats]

# The numbers in a block: 256 MiB of a card, or what stays in the caches of a CPU. The least number after a lack of
# memory.
_CELLS = {"cuda": 1 << 26, "cpu": 1 << 20}
_LEAST_CELLS = 1 << 16
# Longer rows are gathered in parts of this number of ratings.
_PART = 4096
# Tables whose pairs stay on the card: a fit has one for each side.
_TABLES = 2


@dataclass
class DeviceRows:
    """Solves for rows on a card, and keeps the pairs of the last tables there.

    Parameters
    ----------
    device
        The card.
    cells
        The numbers in a block; 0 for a size that suits the device.
    table_options
        More parameters of `palate.gpu.table.DeviceTable`.
    """

    device: torch.device
    cells: int = 0
    table_options: dict[str, Any] = field(default_factory=dict)
    _tables: dict[int, DeviceTable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cells = self.cells or _CELLS.get(self.device.type, _CELLS["cuda"])

    def solve_rows(
        self, table: Table, other: Floats, offset: Floats, row_weight: Floats, other_weight: Floats, precision: Floats,
        linear: Floats, draws: int, key: int, correlation: float, out: Floats, errors: Doubles,
    ) -> int:  # fmt: skip
        """Solve for all rows, as `palate.kernels.rows.solve_rows` does for a range of them."""
        import torch

        factors, offsets, other_weights, penalty = self._upload(other, offset, other_weight, precision)

        def solve(
            block: Block, weight: torch.Tensor, pull: torch.Tensor, present: torch.Tensor | None = None
        ) -> tuple[torch.Tensor, ...]:
            equations = Equations.start(penalty, pull)
            for others, value, is_rating in block.parts(_PART):
                root = (weight[:, None] * gather(other_weights, others)).sqrt_().mul_(is_rating)
                equations.add(gather(factors, others), root, root * (value - gather(offsets, others)))
            noise = draw_normals(key, block.numbers, draws) if draws else None
            solution, failed = equations.solve(noise, present, correlation)
            pulled = (solution * pull).sum(1, dtype=torch.float64)
            squares = equations.squares + 2 * pulled - quadratic_form(penalty, solution)
            return solution, block.without_empty(squares), failed

        present = (out,) if correlation else ()  # half-steps without one do not send their rows to the card
        return self._solve(table, solve, (row_weight, linear, *present), out, errors)

    def solve_confident_rows(
        self, table: Table, other: Floats, all_pairs: Floats, ridge: Floats, linear: Floats, out: Floats,
        errors: Doubles,
    ) -> int:  # fmt: skip
        """Solve for all rows, as `palate.kernels.rows.solve_confident_rows` does for a range of them."""
        import torch

        factors, pairs = self._upload(other, all_pairs)

        def solve(block: Block, penalty: torch.Tensor, pull: torch.Tensor) -> tuple[torch.Tensor, ...]:
            equations = Equations.start(pairs, pull)
            equations.gram.diagonal(dim1=1, dim2=2).add_(penalty[:, None])
            for others, confidence, is_rating in block.parts(_PART):
                root = confidence.sqrt().mul_(is_rating)
                equations.add(gather(factors, others), root, root)
            solution, failed = equations.solve()
            lengths = solution.square().sum(1, dtype=torch.float64)
            pulled = (solution * pull).sum(1, dtype=torch.float64)
            squares = equations.squares + 2 * pulled - quadratic_form(pairs, solution) - penalty * lengths
            return solution, block.without_empty(squares), failed

        return self._solve(table, solve, (ridge, linear), out, errors)

    def row_errors(
        self, table: Table, factors: Floats, other: Floats, offset: Floats, other_weight: Floats, plain: Doubles,
        weighted: Doubles,
    ) -> None:  # fmt: skip
        """Sum up squared errors for all rows, as `palate.kernels.pairs.row_errors` does for a range of them."""
        import torch

        others_factors, offsets, weights = self._upload(other, offset, other_weight)

        def measure(block: Block, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            sums = torch.zeros((2, len(x)), dtype=torch.float64, device=self.device)
            for others, value, is_rating in block.parts(_PART):
                product = (gather(others_factors, others) @ x[..., None])[..., 0]
                squares = (value - gather(offsets, others) - product).square_().mul_(is_rating)
                sums[0].add_(squares.sum(1, dtype=torch.float64))
                sums[1].add_(squares.mul_(gather(weights, others)).sum(1, dtype=torch.float64))
            return sums[0], sums[1]

        self._fill(table, measure, (factors,), other.shape[1], (plain, weighted))

    def _upload(self, *arrays: NDArray[Any]) -> list[torch.Tensor]:
        return with_room(lambda: [upload(array, self.device) for array in arrays], self._free)

    def _solve(
        self, table: Table, solve: Callable[..., tuple[torch.Tensor, ...]], given: tuple[Floats, ...], out: Floats,
        errors: Doubles,
    ) -> int:  # fmt: skip
        """Solve for all rows; return -1, or the first row whose matrix was not positive definite."""
        failed = np.empty(len(out), np.bool_)
        self._fill(table, solve, given, out.shape[1], (out, errors, failed))
        return int(failed.argmax()) if failed.any() else -1

    def _fill(
        self, table: Table, work: Callable[..., tuple[torch.Tensor, ...]], given: tuple[NDArray[Any], ...], width: int,
        results: tuple[NDArray[Any], ...],
    ) -> None:  # fmt: skip
        """Fill the rows of the results with what `work` returns for a block and its rows of the given arrays."""
        placed, (_, _, values) = self._placed(table), table  # not table[2]: the third row of a `Grouped`
        with exact_products():
            for slab in placed.slabs:
                self._fill_slab(placed, slab, values, work, given, width, results)

    def _fill_slab(
        self, placed: DeviceTable, slab: Slab, values: Floats, work: Callable[..., tuple[torch.Tensor, ...]],
        given: tuple[NDArray[Any], ...], width: int, results: tuple[NDArray[Any], ...],
    ) -> None:  # fmt: skip
        import torch

        span = slice(slab.start, slab.stop)
        ratings = with_room(lambda: placed.load(slab, values), self._free)
        columns = self._upload(*(array[span] for array in given))
        hosts = [torch.from_numpy(array[span]) for array in results]
        buffers = [torch.empty_like(host, device=self.device) for host in hosts]
        for bucket in slab.buckets:
            at = 0
            while at < len(bucket.rows):

                def attempt(first: int = at) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
                    rows = bucket.rows[first : first + self._block_rows(bucket.length, width)]  # noqa: B023
                    block = Block(rows + slab.start, bucket.length, slab.starts[rows], slab.counts[rows], *ratings)  # noqa: B023
                    return rows, work(block, *(column[rows] for column in columns))

                rows, parts = with_room(attempt, self._shrink)
                for buffer, part in zip(buffers, parts, strict=True):
                    buffer[rows] = part
                at += len(rows)
        for host, buffer in zip(hosts, buffers, strict=True):
            host.copy_(buffer)

    def _block_rows(self, length: int, width: int) -> int:
        """Return how many rows a block has: their ratings and their gram matrices have about `cells` numbers each."""
        return max(1, self.cells // (width * max(width, min(length, _PART))))

    def _placed(self, table: Table) -> DeviceTable:
        """Return the table on the card. Only the tables of the last two half-steps stay there."""
        indptr, indices, _ = table
        key = id(indices)  # the table on the card holds the array, so that no other gets its id
        placed = self._tables.pop(key, None)
        if placed is None or not np.array_equal(placed.indptr, indptr):
            placed = DeviceTable(indptr, indices, self.device, **self.table_options)
        self._tables[key] = placed
        while len(self._tables) > _TABLES:
            del self._tables[next(iter(self._tables))]
        return placed

    def _shrink(self) -> bool:
        self.cells //= 2
        return self.cells >= _LEAST_CELLS

    def _free(self) -> bool:
        return sum(placed.free() for placed in self._tables.values()) > 0
