"""The inverse of a symmetric positive definite matrix in its own place, on any number of threads with the same bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.parallel import Run

__all__ = ["invert"]

Floats = NDArray[np.float32]

# Rows that are swept at once, and rows and columns of a tile of the update.
_BLOCK, _TILE = 256, 512


def invert(matrix: Floats, run: Run) -> None:
    r"""Replace a symmetric positive definite matrix by its inverse.

    Blocks of the diagonal are swept one after the other (the sweep operator: Goodnight 1979, "A tutorial on the SWEEP
    operator"): with pivot block D and its panel W,

    .. math:: A \leftarrow A - W D^{-1} W^T, \quad W \leftarrow W D^{-1}, \quad D \leftarrow -D^{-1},

    and after all blocks the matrix is :math:`-A^{-1}`. These are n^3 operations, as many as a Cholesky decomposition
    and the inverse from it take together, nearly all of them products of tiles. Tiles are shared out to threads, and
    each is computed in one way, so the number of threads does not change the result.

    Parameters
    ----------
    matrix
        (n, n), of which the lower triangle is read. The whole inverse is written.
    run
        Calls a function on tasks, in threads. BLAS itself should have one thread (`palate.parallel.single_blas`).

    Raises
    ------
    SettingsError
        If a pivot block is not positive definite in the precision of the matrix.
    """
    n = len(matrix)
    ends = [(start, min(start + _TILE, n)) for start in range(0, n, _TILE)]
    panel, swept = np.empty((n, _BLOCK), matrix.dtype), np.empty((n, _BLOCK), matrix.dtype)
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        w, t = panel[:, : stop - start], swept[:, : stop - start]
        w[:start], w[stop:] = matrix[start:stop, :start].T, matrix[stop:, start:stop]
        w[start:stop] = 0
        pivot = _small_inverse(matrix[start:stop, start:stop])

        def sweep(rows: tuple[int, int], w: Floats = w, t: Floats = t, pivot: Floats = pivot) -> None:
            np.matmul(w[rows[0] : rows[1]], pivot, out=t[rows[0] : rows[1]])

        def update(tile: tuple[int, int, int, int], w: Floats = w, t: Floats = t) -> None:
            first, last, left, right = tile
            matrix[first:last, left:right] -= t[first:last] @ w[left:right].T

        run(sweep, ends)
        run(update, [(*rows, *columns) for rows in ends for columns in ends if columns[0] <= rows[0]])
        matrix[start:stop, :start], matrix[stop:, start:stop] = t[:start].T, t[stop:]
        matrix[start:stop, start:stop] = -pivot

    def finish(rows: tuple[int, int]) -> None:
        first, last = rows
        np.negative(matrix[first:last, :last], out=matrix[first:last, :last])

    def mirror(rows: tuple[int, int]) -> None:
        first, last = rows
        for row in range(first, last):
            matrix[row, row + 1 : last] = matrix[row + 1 : last, row]
        matrix[first:last, last:] = matrix[last:, first:last].T

    run(finish, ends)
    run(mirror, ends)


def _small_inverse(pivot: Floats) -> Floats:
    lower = np.tril(pivot).astype(np.float64)
    try:
        root = np.linalg.cholesky(lower + np.tril(lower, -1).T)
    except np.linalg.LinAlgError:
        raise SettingsError(
            "the regularization is too weak for this table: with it, the equations have no solution in float32; raise "
            "regularization (--regularization)"
        ) from None
    half = np.linalg.inv(root)
    return (half.T @ half).astype(pivot.dtype)
