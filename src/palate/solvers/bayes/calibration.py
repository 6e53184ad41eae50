"""The widths of intervals, learnt from the errors on held-out ratings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["calibrate"]

# Quantiles of standardized errors, from which the widths of intervals are read.
_QUANTILES = 200
# The largest share of the standardized errors that is put down to the shortness of the pilots.
_MOST_SHORTNESS = np.float32(1.03)


def calibrate(residuals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return quantiles of the sizes of standardized residuals, corrected for the shortness of the pilots.

    The few draws of a pilot vary less than those of a fit, so its predicted deviations are too small. The sizes are
    divided by their root mean square where it is above 1, but at most by 1.03: an excess beyond that comes from the
    ratings, and intervals must cover it.
    """
    sizes = np.abs(residuals)
    sizes /= np.clip(np.sqrt(np.square(sizes).mean()), 1, _MOST_SHORTNESS)
    levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    return np.quantile(sizes, levels).astype(np.float32)
