"""How sure a model is of its predictions, and what it knows of users and items that nobody has rated yet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.model.row_solve import Prior, Profile, design

__all__ = ["Posterior", "Prediction"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Prediction(NamedTuple):
    """A predicted rating and the ends of its interval: floats, or float32 arrays of one shape."""

    rating: Any
    low: Any
    high: Any


@dataclass(frozen=True, eq=False)
class Posterior:
    r"""The spread of ratings around predictions: two numbers for each user and each item.

    A rating has the variance :math:`\sigma^2 \nu_u \nu_i + s_u + s_i` around its prediction: noise, which no number of
    ratings takes away, and the spread of what is not known yet of the user and the item.

    Attributes
    ----------
    noise
        :math:`\sigma^2`, in squared rating points.
    user_noise, item_noise
        float32, (users + 1,) and (items + 1,): relative to it. The last one is a user (item) without ratings, so that
        index -1 means "unknown".
    user_spread, item_spread
        float64, (users + 1,) and (items + 1,): in squared rating points.
    users, items
        The priors, from which a new user and a new item are folded in.
    calibration
        float32, ascending: equally spaced quantiles of the size of standardized errors, seen on ratings that were held
        out of a pilot; empty to take those of the normal distribution.
    """

    noise: float
    user_noise: Floats
    item_noise: Floats
    user_spread: Doubles
    item_spread: Doubles
    users: Prior
    items: Prior
    calibration: Floats = field(default_factory=lambda: np.empty(0, np.float32))

    def rescaled(self, spread: float) -> Posterior:
        """Return the same for ratings of another unit: all were divided by `spread`."""
        return replace(
            self,
            noise=self.noise * spread**2,
            user_spread=self.user_spread * spread**2,
            item_spread=self.item_spread * spread**2,
            users=self.users.rescaled(spread),
            items=self.items.rescaled(spread),
        )

    def variance(self, user: Any, item: Any) -> Doubles:
        """Return the variance of ratings around their predictions; index -1 is an unknown user or item."""
        return np.asarray(self.noise_of(user, item) + self.user_spread[user] + self.item_spread[item])

    def noise_of(self, user: Any, item: Any) -> Doubles:
        """Return that part of the variance that no number of ratings takes away; a user None has the usual noise."""
        noise = self.noise * self.item_noise[item].astype(np.float64)
        return np.asarray(noise if user is None else noise * self.user_noise[user], np.float64)

    def toward_items(self, profile: Profile, factors: Floats, item: NDArray[np.int32]) -> Any:
        """Return the variance of a folded-in user's ratings of items, given all items' factors."""
        return self._toward(profile, factors, self.items.mean, self.item_spread, self.item_noise, item)

    def toward_users(self, profile: Profile, factors: Floats, user: NDArray[np.int32]) -> Any:
        """Return the variance of users' ratings of a folded-in item, given all users' factors."""
        return self._toward(profile, factors, self.users.mean, self.user_spread, self.user_noise, user)

    def _toward(
        self, profile: Profile, factors: Floats, cold: Doubles, spread: Doubles, noise: Floats, index: Any
    ) -> Any:
        if profile.covariance is None:
            raise SettingsError("this profile does not know how sure it is: make it with fold_in")
        known = np.where((index < 0)[..., None], cold[:-1], factors[index]).reshape(-1, factors.shape[1])
        toward = design(known)
        own = np.einsum("nk,kl,nl->n", toward, profile.covariance, toward, optimize=True).reshape(np.shape(index))
        return own + spread[index] + self.noise * np.float64(noise[index])

    def width(self, level: float) -> float:
        """Return how many standard deviations to each side an interval takes that holds this share of the ratings.

        Raises
        ------
        SettingsError
            If the level is not between 0 and 1.
        """
        if not isinstance(level, float | np.floating) or not 0 < level < 1 or (1 + level) / 2 == 1:
            raise SettingsError(f"the level of an interval lies between 0 and 1, such as 0.9, not {level!r}")
        normal = NormalDist().inv_cdf
        if not len(self.calibration):
            return normal((1 + level) / 2)
        places = (np.arange(len(self.calibration)) + 0.5) / len(self.calibration)
        # Beyond the largest error seen, widths grow as those of the normal distribution do.
        beyond = normal((1 + level) / 2) / normal((1 + float(places[-1])) / 2)
        return float(np.interp(level, places, self.calibration)) * max(1.0, beyond)
