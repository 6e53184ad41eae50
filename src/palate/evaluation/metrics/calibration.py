"""Calibration of chances: whether 30% of what is given a chance of 30% happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Reliability", "brier", "reliability"]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Chances and what came of them, bin by bin.

    Attributes
    ----------
    chance, share
        float64, (bins,): the mean chance of a bin, and the share of its rows that happened.
    rows
        int64, (bins,).
    error
        Expected calibration error: the mean distance of share and chance over the bins, weighted by their rows.
    """

    chance: NDArray[np.float64]
    share: NDArray[np.float64]
    rows: NDArray[np.int64]
    error: float

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values: a list of bins, and the error."""
        columns = zip(self.chance.tolist(), self.share.tolist(), self.rows.tolist(), strict=True)
        return {
            "bins": [{"chance": chance, "share": share, "rows": rows} for chance, share, rows in columns],
            "error": self.error,
        }


def reliability(
    chance: NDArray[np.floating],
    happened: NDArray[np.generic],
    bins: int = 10,
    *,
    equal: Literal["rows", "chances"] = "rows",
) -> Reliability:
    """Compare chances with what happened, in bins of similar chances.

    Equal chances are never parted, so there can be fewer bins. Bins of equal size, unlike those of equal width, are not
    empty where all chances are small. All rows count alike (Naeini, Cooper, Hauskrecht 2015, "Obtaining well calibrated
    probabilities using Bayesian binning"). Without rows the error is NaN.

    Parameters
    ----------
    chance
        (n,): between 0 and 1.
    happened
        (n,): whether it did.
    bins
        At most.
    equal
        What is about equal among bins: the number of rows, or the sum of chances, which is the number of rows that
        should happen. The second is for chances of which most are near zero.

    Examples
    --------
    >>> result = reliability(np.array([0.1, 0.1, 0.8, 0.8]), np.array([0, 0, 1, 1]), bins=2)
    >>> result.share, round(result.error, 3)
    (array([0., 1.]), 0.15)
    """
    chance = chance.astype(np.float64)
    if not len(chance):
        empty = np.empty(0)
        return Reliability(empty, empty, np.empty(0, np.int64), float("nan"))
    edges = np.unique(_edges(chance, np.arange(1, bins) / bins, equal))
    _, bin_of = np.unique(np.searchsorted(edges, chance), return_inverse=True)
    rows = np.bincount(bin_of)
    means = np.bincount(bin_of, chance) / rows
    shares = np.bincount(bin_of, np.asarray(happened, np.float64)) / rows
    return Reliability(means, shares, rows, float(np.abs(shares - means) @ rows / len(chance)))


def _edges(chance: NDArray[np.floating], shares: NDArray[np.float64], equal: str) -> NDArray[np.float64]:
    if equal == "rows":
        return np.asarray(np.quantile(chance, shares, method="lower"))
    ascending = np.sort(chance)
    sums = np.cumsum(ascending)
    return np.asarray(ascending[np.searchsorted(sums, shares * sums[-1])])


def brier(chance: NDArray[np.floating], happened: NDArray[np.generic]) -> float:
    r"""Brier score, :math:`\tfrac1n \sum (p - y)^2` over all rows alike: 0 is perfect, 1/4 is always one half.

    Brier 1950, "Verification of forecasts expressed in terms of probability". NaN without rows.

    Examples
    --------
    >>> brier(np.array([0.5, 1.0]), np.array([1, 1]))
    0.125
    """
    errors = np.square(np.asarray(chance, np.float64) - np.asarray(happened, np.float64))
    return float(errors.mean()) if len(errors) else float("nan")
