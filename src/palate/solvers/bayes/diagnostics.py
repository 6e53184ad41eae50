"""Whether a chain has been running long enough."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Trace", "effective_size", "split_rhat"]

Doubles = NDArray[np.float64]


class Trace(NamedTuple):
    """How one number moved along a chain.

    Attributes
    ----------
    name
        What it is.
    effective_size
        So many independent draws would tell as much.
    split_rhat
        The spread of all draws over that within each half; about 1 once the halves look alike.
    """

    name: str
    effective_size: float
    split_rhat: float

    @classmethod
    def of(cls, name: str, draws: Doubles) -> Trace:
        """Judge the draws of a positive number, on the log scale, the first quarter left out."""
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
    n, away = len(draws), draws - draws.mean()
    if n < 4 or not away.any():
        return float(n)
    spectrum = np.fft.rfft(away, 2 * n)
    correlation = np.fft.irfft(spectrum * spectrum.conj())[:n] / (away @ away)
    pairs = correlation[1 : n - 1 : 2] + correlation[2:n:2][: len(correlation[1 : n - 1 : 2])]
    until = int(np.argmax(np.append(pairs, -1) < 0))
    return float(n / (1 + 2 * pairs[:until].sum()))


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
