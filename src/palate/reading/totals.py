"""Rows and columns of a wide table that hold the sums, means or counts of the others: no user and no item."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.reading.names import plain_name

__all__ = ["find_totals", "is_called_total"]

# As `plain_name` spells them.
_WORDS = frozenset({
    "total", "totals", "grandtotal", "subtotal", "all", "sum", "mean", "average", "avg", "count", "n", "median", "min",
    "max", "minimum", "maximum", "gesamt", "summe", "mittelwert", "mittel", "durchschnitt", "anzahl", "somme",
    "moyenne", "totalgeneral", "nombre", "suma", "promedio", "media", "cantidad", "totale", "somma", "totaal", "som",
    "gemiddelde", "aantal",
    # As Excel calls them in pivot tables.
    "gesamtergebnis", "gesamtsumme", "totalgeral", "totalecomplessivo", "eindtotaal", "totalsumma", "totalt",
    "sumakoncowa", "celkovysoucet", "geneltoplam", "итого", "общииитог", "总计", "總計", "総計", "총합계",
})  # fmt: skip
_REGULAR, _ENOUGH = 0.9, 5
_NUMBERS: dict[str, Callable[..., NDArray[Any]]] = {
    "sums": np.nansum,
    "means": np.nanmean,
    "counts": lambda cells, axis: (~np.isnan(cells)).sum(axis),
    "medians": np.nanmedian,
    "minima": np.nanmin,
    "maxima": np.nanmax,
}


def is_called_total(name: str) -> bool:
    """Whether a row or column has a name that totals have."""
    return plain_name(name) in _WORDS


def find_totals(cells: NDArray[np.float64], names: Sequence[str], labels: Sequence[str] = ()) -> tuple[list[int], str]:
    """Find the columns that are called as totals are, and hold what the other columns add up to.

    Parameters
    ----------
    cells
        (rows, columns), NaN where nothing is rated. For rows of totals, the table turned on its side.
    names
        Of the columns.
    labels
        Of the rows. Those that are called as totals are do not count: the mean of all is no mean of means.

    Returns
    -------
    tuple
        The positions of these columns, and what they hold, such as "sums".

    Examples
    --------
    >>> find_totals(np.array([[5, np.nan, 5], [3, 4, 7], [1, 1, 2]]), ["tea", "milk", "Total"])
    ([2], 'sums')
    """
    called = [position for position, name in enumerate(names) if is_called_total(name)]
    cells = np.delete(cells, [row for row, label in enumerate(labels) if is_called_total(label)], axis=0)
    others = np.delete(cells, called, axis=1)
    if not called or others.shape[1] < 2:
        return [], ""
    found: list[int] = []
    held = []
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # rows without a rating
        for kind, number in _NUMBERS.items():
            expected = number(others, axis=1)
            for position in called:
                told = ~np.isnan(cells[:, position])
                rounding = _rounding(cells[told, position]) if kind in ("means", "medians") else 0
                same = np.isclose(cells[told, position], expected[told], rtol=1e-3, atol=5e-3 + rounding)
                # One row may hold the totals of all.
                few = max(len(same) >= _ENOUGH, (1 - _REGULAR) * len(same))
                if position not in found and len(same) > 1 and np.count_nonzero(~same) <= few:
                    found.append(position)
                    held.append(kind)
    return sorted(found), " and ".join(dict.fromkeys(held))


def _rounding(values: NDArray[np.float64]) -> float:
    """Return by how much means differ from the exact ones if they are written with as few decimals as these."""
    decimals = next((count for count in (0, 1) if np.allclose(values, np.round(values, count), atol=1e-6)), 2)
    return 0.5 * 10.0**-decimals
