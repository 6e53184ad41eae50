"""Predicted ratings, and how sure they are."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.errors import SettingsError
from palate.model.parts import Floats, Id, Parts
from palate.model.row_solve import Profile
from palate.model.uncertainty import Prediction
from palate.ranking import scores
from palate.ratings import Ratings

__all__ = ["Predicting"]

# How many gathered factors a batch holds at once.
_BATCH_CELLS = 1 << 22


class Predicting(Parts):
    """The part of a model that predicts."""

    def predict(
        self,
        user: Id | Profile | ArrayLike,
        item: Id | Profile | ArrayLike,
        *,
        unknown: Literal["error", "mean"] = "error",
        interval: float | None = None,
    ) -> Any:
        """Predict ratings.

        Parameters
        ----------
        user, item
            An id or an array of ids, broadcast against each other; or a profile from `fold_in` or `fold_in_item` and
            ids for the other.
        unknown
            What to do about ids without factors: "error", or "mean" to predict what is expected of a user or an item
            of whom nothing is known (without a posterior: the mean, plus the bias of whichever side is known).
        interval
            A share, such as 0.9: also tell between which ratings the true one lies with this probability.

        Returns
        -------
        float, ndarray or Prediction
            A float for two ids, otherwise float32 in the broadcast shape; with `interval` the rating and the ends of
            its interval, all on the rating scale.

        Raises
        ------
        UnknownIdError
            If an id has no factors and `unknown` is "error".
        SettingsError
            If an interval is asked of a model without posterior, or is no share.
        """
        if unknown not in ("error", "mean"):
            raise SettingsError(f"unknown ids are an 'error' or get the 'mean', not {unknown!r}")
        for one, kind in ((user, "user"), (item, "item")):
            if isinstance(one, Profile):
                self._check_profile(one, kind)
        if isinstance(item, Profile) and isinstance(user, Profile):
            raise SettingsError("a new user and a new item cannot be predicted together: one must be an id")
        if isinstance(item, Profile):
            u = self._index(self.users, user, unknown)
            found = self._against(item, self.user_factors, self.user_bias, u)
        elif isinstance(user, Profile):
            i = self._index(self.items, item, unknown)
            found = self._against(user, self.item_factors, self.item_bias, i)
        else:
            u, i = self._index(self.users, user, unknown), self._index(self.items, item, unknown)
            try:
                u, i = np.broadcast_arrays(u, i)
            except ValueError as error:
                raise SettingsError(f"users {u.shape} and items {i.shape} cannot be paired: {error}") from error
            found = self._products(u.ravel(), i.ravel()).reshape(u.shape)
        rating = _plain(self.scale.clip(found))
        if interval is None:
            return rating
        posterior = self.certain()
        if isinstance(item, Profile):
            variance = posterior.toward_users(item, self.user_factors, u)
        elif isinstance(user, Profile):
            variance = posterior.toward_items(user, self.item_factors, i)
        else:
            variance = posterior.variance(u, i)
        reach = posterior.width(interval) * np.sqrt(variance)
        return Prediction(rating, _plain(self.scale.clip(found - reach)), _plain(self.scale.clip(found + reach)))

    def _against(self, profile: Profile, factors: Floats, bias: Floats, index: NDArray[np.int32]) -> Any:
        # What a profile makes of the rows of the other side; -1 is a row of which nothing is known.
        rows = index.ravel()
        known = scores(factors[rows], bias[rows], profile.factors, self.intercept + profile.bias).reshape(index.shape)
        if self.posterior is None:
            return np.where(index < 0, self.mean + profile.bias, known)
        cold = (self.posterior.items if factors is self.item_factors else self.posterior.users).mean
        return np.where(index < 0, self.intercept + profile.bias + cold[-1] + profile.factors @ cold[:-1], known)

    def predict_table(self, ratings: Ratings) -> Floats:
        """Predict every row of a table; ids without factors are predicted by the mean, as in `predict`.

        Returns
        -------
        ndarray
            float32, (n,), clipped to the scale.
        """
        return np.asarray(self.scale.clip(self._products(*self._rows(ratings))), np.float32)

    def deviation_table(self, ratings: Ratings) -> Floats | None:
        """Return the standard deviation of every row's rating around its prediction, None without a posterior."""
        if self.posterior is None:
            return None
        return np.asarray(np.sqrt(self.posterior.variance(*self._rows(ratings))), np.float32)

    def interval_table(self, ratings: Ratings, level: float) -> tuple[Floats, Floats] | None:
        """Return between which ratings every row's lies with this probability; None without a posterior."""
        deviation = self.deviation_table(ratings)
        if deviation is None:
            return None
        found, reach = self._products(*self._rows(ratings)), self.certain().width(level) * deviation
        return _plain(self.scale.clip(found - reach)), _plain(self.scale.clip(found + reach))

    def _rows(self, ratings: Ratings) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        u = self.users.index(ratings.users.ids)[ratings.user]
        return u, self.items.index(ratings.items.ids)[ratings.item]

    def _products(self, user: NDArray[np.int32], item: NDArray[np.int32]) -> Floats:
        found = np.empty(len(user), np.float32)
        step = max(1, _BATCH_CELLS // max(1, self.factors))
        for start in range(0, len(user), step):
            u, i = user[start : start + step], item[start : start + step]
            p, q, b, c = self.user_factors[u], self.item_factors[i], self.user_bias[u], self.item_bias[i]
            if self.posterior is not None:
                new_user, new_item = self.posterior.users.mean, self.posterior.items.mean
                p[u < 0], b[u < 0], q[i < 0], c[i < 0] = new_user[:-1], new_user[-1], new_item[:-1], new_item[-1]
                found[start : start + step] = self.intercept + b + c + np.einsum("nk,nk->n", p, q)
            else:
                b[u < 0], c[i < 0] = 0, 0
                both = np.where((u >= 0) & (i >= 0), self.intercept + np.einsum("nk,nk->n", p, q), self.mean)
                found[start : start + step] = b + c + both
        return found


def _plain(values: Any) -> Any:
    single = np.asarray(values, np.float32)
    return float(single) if single.ndim == 0 else single
