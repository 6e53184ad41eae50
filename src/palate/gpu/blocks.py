"""Rows that are solved together on a card, and their equations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    import torch

__all__ = ["Block", "Equations", "gather", "quadratic_form"]


class Block(NamedTuple):
    """Rows of like length, with their ratings on the card.

    Attributes
    ----------
    numbers
        int64 (rows,): the numbers of the rows in the table.
    length
        The number of ratings that they are padded to.
    starts, counts
        int64 (rows,): the place of the first rating of each row, and how many it has.
    indices, values
        int32 and float32: the ratings.
    """

    numbers: torch.Tensor
    length: int
    starts: torch.Tensor
    counts: torch.Tensor
    indices: torch.Tensor
    values: torch.Tensor

    def parts(self, most: int) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Yield indices, values, and what is a rating rather than padding, each (rows, at most `most`)."""
        import torch

        for first in range(0, self.length, most):
            numbers = torch.arange(first, min(first + most, self.length), device=self.starts.device)
            places = (self.starts[:, None] + numbers).clamp_(max=len(self.indices) - 1)
            yield gather(self.indices, places), gather(self.values, places), numbers < self.counts[:, None]

    def without_empty(self, squares: torch.Tensor) -> torch.Tensor:
        """Return sums of squared errors, at least 0 against rounding, and 0 for rows without ratings."""
        return squares.clamp_(min=0).mul_(self.counts > 0)


class Equations(NamedTuple):
    """The normal equations of a block.

    Attributes
    ----------
    gram
        float32 (rows, d, d).
    right
        float32 (rows, d).
    squares
        float64 (rows,): the weighted sum of squared targets.
    """

    gram: torch.Tensor
    right: torch.Tensor
    squares: torch.Tensor

    @classmethod
    def start(cls, penalty: torch.Tensor, pull: torch.Tensor) -> Self:
        """Return equations without ratings, of a penalty (d, d) that the rows share, and of linear terms (rows, d)."""
        import torch

        squares = torch.zeros(len(pull), dtype=torch.float64, device=pull.device)
        return cls(penalty.expand(len(pull), -1, -1).clone(), pull.clone(), squares)

    def add(self, factors: torch.Tensor, root: torch.Tensor, target: torch.Tensor) -> None:
        """Add ratings, in place.

        Parameters
        ----------
        factors
            float32 (rows, ratings, d): those of the partners, which are overwritten.
        root, target
            float32 (rows, ratings): roots of the weights, and targets times these.
        """
        import torch

        tile = factors.mul_(root[..., None])
        self.gram.baddbmm_(tile.mT, tile)
        self.right[..., None].baddbmm_(tile.mT, target[..., None])
        self.squares.add_(target.square().sum(1, dtype=torch.float64))

    def solve(
        self, noise: torch.Tensor | None = None, present: torch.Tensor | None = None, correlation: float = 0.0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the solutions, or draws where there is noise (rows, draws), and whether each failed.

        Draws correlate with the present rows, if these are given. The squares become the sum of errors less the terms
        of the penalty: see `palate.kernels.rows.solve_rows`.
        """
        import torch

        lower, status = torch.linalg.cholesky_ex(self.gram)
        whitened = torch.linalg.solve_triangular(lower, self.right[..., None], upper=False)
        # With U'y = right and Ux = y + z, the two terms in x of the whole sum are |z|^2 - |y|^2.
        self.squares.sub_(whitened.square().sum((1, 2), dtype=torch.float64))
        if noise is not None:
            if present is not None:
                deviation = (lower.mT @ present[..., None] - whitened)[:, : noise.shape[1], 0]
                noise = correlation * deviation + (1 - correlation**2) ** 0.5 * noise
            self.squares.add_(noise.square().sum(1, dtype=torch.float64))
            whitened[:, : noise.shape[1], 0] += noise
        solution = torch.linalg.solve_triangular(lower.mT, whitened, upper=True)[..., 0]
        failed = (status != 0) | ~torch.isfinite(lower.diagonal(dim1=1, dim2=2).sum(1))
        return solution, failed


def gather(source: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return source[places], which takes much longer on a CPU."""
    return source.index_select(0, places.flatten()).view(*places.shape, *source.shape[1:])


def quadratic_form(matrix: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return x' matrix x for each row x: float64 (rows,)."""
    import torch

    return ((rows @ matrix) * rows).sum(1, dtype=torch.float64)
