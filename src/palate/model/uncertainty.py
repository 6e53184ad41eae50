"""How uncertain predictions are, and what is expected of users and items that have no ratings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.model.profile import Profile
from palate.model.row_solve import FactorPrior, design_matrix

__all__ = ["Posterior", "Prediction"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# The standard library's quantiles: scipy.special.ndtri is no more accurate, and importing it takes 0.1 seconds, which
# the first served interval would have to wait for.
_normal_quantile = NormalDist().inv_cdf


class Prediction(NamedTuple):
    """A predicted rating and the ends of its interval: floats, or float32 arrays of one shape."""

    rating: Any
    low: Any
    high: Any


@dataclass(frozen=True, eq=False)
class Posterior:
    r"""The variance of ratings around predictions, kept as two numbers for each user and each item.

    The variance of a rating around its prediction is :math:`\sigma^2 \nu_u \nu_i + s_u + s_i`. The first term is noise,
    which no number of ratings reduces; the others are the uncertainty about the user and about the item.

    Attributes
    ----------
    noise
        :math:`\sigma^2`, in squared rating points.
    user_noise, item_noise
        float32, (users + 1,) and (items + 1,): :math:`\nu_u` and :math:`\nu_i`. The last entry is for a user (item)
        without ratings, so that index -1 means "unknown".
    user_spread, item_spread
        float64, (users + 1,) and (items + 1,): :math:`s_u` and :math:`s_i`, in squared rating points.
    users, items
        The priors with which new users and new items are folded in.
    calibration
        float32, (n,), ascending: equally spaced quantiles of the absolute standardized errors of ratings that a pilot
        fit held out. Empty to take the quantiles of the normal distribution.
    """

    noise: float
    user_noise: Floats
    item_noise: Floats
    user_spread: Doubles
    item_spread: Doubles
    users: FactorPrior
    items: FactorPrior
    calibration: Floats = field(default_factory=lambda: np.empty(0, np.float32))

    def rescaled(self, spread: float) -> Posterior:
        """Return the posterior for ratings that were divided by `spread` before the fit."""
        return replace(
            self,
            noise=self.noise * spread**2,
            user_spread=self.user_spread * spread**2,
            item_spread=self.item_spread * spread**2,
            users=self.users.rescaled(spread),
            items=self.items.rescaled(spread),
        )

    def without_users(self, keep: NDArray[np.bool_]) -> Posterior:
        """Return the posterior without some users; what was learnt from them about items stays.

        Parameters
        ----------
        keep
            bool, (users,): which users are kept.
        """
        known = np.append(keep, True)
        prior = self.items
        sets = prior.sets[keep] if len(prior.sets) else prior.sets
        items = FactorPrior(prior.mean, prior.precision, sets, prior.noise[keep])
        noise, spread = self.user_noise[known], self.user_spread[known]
        return replace(self, user_noise=noise, user_spread=spread, items=items)

    def variance(self, user: Any, item: Any) -> Doubles:
        """Return the variance of ratings around their predictions, by index; -1 is an unknown user or item."""
        return np.asarray(self.noise_variance(user, item) + self.user_spread[user] + self.item_spread[item])

    def noise_variance(self, user: Any, item: Any) -> Doubles:
        """Return the part of the variance that is noise, by index; a user None has the usual noise."""
        noise = self.noise * self.item_noise[item].astype(np.float64)
        return np.asarray(noise if user is None else noise * self.user_noise[user], np.float64)

    def folded_user_variance(self, user: Profile, item_factors: Floats, item: NDArray[np.int32]) -> Any:
        """Return the variance of a folded-in user's ratings of items, by index; -1 is an unknown item."""
        return self._folded_variance(user, item_factors, self.items.mean, self.item_spread, self.item_noise, item)

    def folded_item_variance(self, item: Profile, user_factors: Floats, user: NDArray[np.int32]) -> Any:
        """Return the variance of users' ratings of a folded-in item, by index; -1 is an unknown user."""
        return self._folded_variance(item, user_factors, self.users.mean, self.user_spread, self.user_noise, user)

    def _folded_variance(
        self, profile: Profile, factors: Floats, mean: Doubles, spread: Doubles, noise: Floats, index: NDArray[np.int32]
    ) -> Any:
        if profile.covariance is None:
            raise SettingsError("this profile has no covariance, so its intervals are unknown: make it with fold_in")
        partners = np.where((index < 0)[..., None], mean[:-1], factors[index])
        design = design_matrix(partners.reshape(index.size, factors.shape[1]))  # -1 is ambiguous without factors
        variance = np.einsum("nk,kl,nl->n", design, profile.covariance, design, optimize=True)
        return variance.reshape(np.shape(index)) + spread[index] + self.noise * np.float64(noise[index])

    def width(self, level: float) -> float:
        """Return how many standard deviations an interval reaches to each side to hold this share of the ratings.

        Raises
        ------
        SettingsError
            If the level is not between 0 and 1.
        """
        if not isinstance(level, (float, np.floating)) or not 0 < level < 1 or (1 + level) / 2 == 1:
            raise SettingsError(f"the level of an interval lies between 0 and 1, such as 0.9, not {level!r}")
        normal_width = _normal_quantile((1 + level) / 2)
        if not len(self.calibration):
            return normal_width
        shares = (np.arange(len(self.calibration)) + 0.5) / len(self.calibration)
        # Beyond the largest error of the pilot, widths grow as those of the normal distribution do.
        growth = normal_width / _normal_quantile((1 + float(shares[-1])) / 2)
        return float(np.interp(level, shares, self.calibration)) * max(1.0, growth)
