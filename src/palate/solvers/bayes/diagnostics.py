"""Whether a chain has run long enough."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ChainTrace", "effective_size", "is_drifting", "split_rhat"]

Doubles = NDArray[np.float64]

# A split-R-hat above this, with a precision that rises in each third, is a drift.
_DRIFT = 1.5
# Fewer draws than this say nothing about a drift: the noise falls while a chain settles.
_LEAST_DRAWS = 200


class ChainTrace(NamedTuple):
    """How one number moved along a chain.

    Attributes
    ----------
    name
        Of the number.
    effective_size
        The number of independent draws with as much information.
    split_rhat
        The spread of all draws over the spread within each half of the chain: about 1 where both halves look alike.
    """

    name: str
    effective_size: float
    split_rhat: float

    @classmethod
    def of(cls, name: str, draws: Doubles) -> ChainTrace:
        """Judge the draws of a positive number, on the log scale, without the first quarter."""
        logs = np.log(draws[len(draws) // 4 :])
        return cls(name, effective_size(logs), split_rhat(logs))


def effective_size(draws: Doubles) -> float:
    """Return n over the sum of autocorrelations, summed in pairs until a pair is negative (Geyer 1992).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> 800 < effective_size(rng.normal(size=1000)) < 1200
    True
    >>> effective_size(np.cumsum(rng.normal(size=1000))) < 20
    True
    """
    n, deviations = len(draws), draws - draws.mean()
    if n < 4 or not deviations.any():
        return float(n)
    spectrum = np.fft.rfft(deviations, 2 * n)
    correlation = np.fft.irfft(spectrum * spectrum.conj())[:n] / (deviations @ deviations)
    pairs = correlation[1 : n - 1 : 2] + correlation[2:n:2][: len(correlation[1 : n - 1 : 2])]
    end = int(np.argmax(np.append(pairs, -1) < 0))
    return float(n / (1 + 2 * pairs[:end].sum()))


def split_rhat(draws: Doubles) -> float:
    """Return the potential scale reduction of the two halves (Gelman, Rubin 1992).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> split_rhat(rng.normal(size=1000)) < 1.01 < 1.5 < split_rhat(np.arange(1000.0))
    True
    """
    half = len(draws) // 2
    if half < 2:
        return float("nan")
    halves = np.array([draws[:half], draws[-half:]])
    within = float(halves.var(axis=1, ddof=1).mean())
    between = float(halves.mean(axis=1).var(ddof=1))
    return float(np.sqrt((half - 1) / half + between / within)) if within else 1.0


def is_drifting(precisions: Doubles) -> bool:
    """Return whether the precision of the noise still rises all along a chain, without its first quarter.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.01, 400)
    >>> is_drifting(np.exp(noise)), is_drifting(np.exp(noise + np.linspace(0, 0.3, 400)))
    (False, True)
    """
    if len(precisions) < _LEAST_DRAWS:
        return False
    logs = np.log(precisions[len(precisions) // 4 :])
    means = [float(third.mean()) for third in np.array_split(logs, 3)]
    return split_rhat(logs) > _DRIFT and means[0] < means[1] < means[2]
