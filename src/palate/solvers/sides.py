"""One side of the table, users or items, as solvers that go by turns want it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.kernels.simd import LANES
from palate.ratings import Grouped
from palate.threads import Run

__all__ = ["Side", "padded"]

# Work is cut into so many parts, whatever the number of threads.
_PARTS = 64


def padded(columns: int) -> int:
    """Return so many columns rounded up to whole vectors."""
    return -(-columns // LANES) * LANES


class Side(NamedTuple):
    """A grouped table, the number of ratings of each row, and ranges of rows with about as many ratings."""

    table: Grouped
    counts: NDArray[np.int64]
    tasks: list[tuple[int, int]]

    @classmethod
    def of(cls, table: Grouped) -> Self:
        """Cut a table into tasks."""
        counts = np.diff(table.indptr)
        cuts = np.searchsorted(table.indptr, np.linspace(0, table.indptr[-1], _PARTS + 1))
        cuts[0], cuts[-1] = 0, len(counts)
        return cls(table, counts, [(int(a), int(b)) for a, b in pairwise(cuts) if a < b])

    def solve(self, run: Run, work: Callable[[tuple[int, int]], int]) -> None:
        """Solve for all rows; `work` solves for a range and returns -1, or a row that cannot be solved for.

        Raises
        ------
        SettingsError
            If there is such a row.
        """
        if max(run(work, self.tasks)) >= 0:
            raise SettingsError(
                "the regularization is too weak for these ratings: with it, float32 does not hold their equations; "
                "raise regularization (--regularization)"
            )
