"""Work on the rows of a side by blocks: in parallel, in the cache, and with the same sums for any number of threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from palate.parallel import Run

__all__ = ["for_row_blocks", "sum_row_blocks"]

Doubles = NDArray[np.float64]

# Rows of a block: in double precision a block of 100 columns takes three megabytes.
_ROWS = 4096


def for_row_blocks(function: Callable[[slice], None], rows: int, run: Run) -> None:
    """Call a function on each block of rows."""
    run(function, _row_blocks(rows))


def sum_row_blocks(function: Callable[[slice], Doubles], rows: int, run: Run) -> Doubles:
    """Return the sum of a function's results for all blocks of rows, added in the order of the blocks."""
    first, *rest = run(function, _row_blocks(rows))
    total = first.copy()
    for result in rest:
        total += result
    return total


def _row_blocks(rows: int) -> list[slice]:
    return [slice(start, min(start + _ROWS, rows)) for start in range(0, rows, _ROWS)]
