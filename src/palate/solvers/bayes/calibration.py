"""The widths of intervals, learnt from the errors on held-out ratings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from palate.model.uncertainty import Posterior

__all__ = ["calibrate", "unknown_excess", "widen_unknown"]

# Quantiles of standardized errors, from which the widths of intervals are read.
_QUANTILES = 200
# The largest share of the standardized errors that is put down to the shortness of the pilots.
_MOST_SHORTNESS = np.float32(1.03)
# The share of ratings whose errors are compared for rows without ratings, how many ratings at the usual width weigh as
# much as what was observed, and the largest factor.
_COMPARED, _PRIOR_RATINGS, _MOST_EXCESS = 0.9, 50, 2.0


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


def unknown_excess(residuals: NDArray[np.float32], is_unknown: NDArray[np.bool_]) -> float:
    """Return the factor, 1 or more, by which the variance around predictions of rows without ratings is too small.

    It is the squared ratio of the 90% quantiles of the sizes of standardized errors, of such rows and of all; the fewer
    ratings such rows have, the nearer it is to 1.

    Parameters
    ----------
    residuals
        Standardized errors of held-out ratings.
    is_unknown
        bool, as many: whether the user (or the item) had no ratings outside of the held-out part.

    Examples
    --------
    >>> errors = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    >>> is_unknown = np.arange(4000) < 1000
    >>> unknown_excess(errors, is_unknown) < 1.1 < 1.2 < unknown_excess(errors * (1 + 0.3 * is_unknown), is_unknown)
    True
    """
    count = int(is_unknown.sum())
    if not count:
        return 1.0
    sizes = np.abs(residuals)
    ratio = float(np.quantile(sizes[is_unknown], _COMPARED) / max(1e-6, float(np.quantile(sizes, _COMPARED))))
    return float(np.clip(max(ratio, 1e-6) ** (2 * count / (count + _PRIOR_RATINGS)), 1, _MOST_EXCESS))


def widen_unknown(posterior: Posterior, users: float, items: float) -> Posterior:
    """Return the posterior with larger spreads of the user and the item without ratings: see `unknown_excess`."""
    user_spread, item_spread = posterior.user_spread.copy(), posterior.item_spread.copy()
    user_noise, item_noise = posterior.user_noise, posterior.item_noise
    of_user = posterior.noise * user_noise[-1] * item_noise[:-1].mean() + user_spread[-1] + item_spread[:-1].mean()
    of_item = posterior.noise * item_noise[-1] * user_noise[:-1].mean() + item_spread[-1] + user_spread[:-1].mean()
    user_spread[-1] += (users - 1) * of_user
    item_spread[-1] += (items - 1) * of_item
    return replace(posterior, user_spread=user_spread, item_spread=item_spread)
