"""The items to recommend to one user, to many and to all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from palate.errors import SettingsError
from palate.parts import Floats, Id, Parts
from palate.profiles import Profile
from palate.ranking import Scored, Shelf, best, scores

__all__ = ["Recommending"]


class Recommending(Parts):
    """The part of a model that ranks items for users."""

    def recommend(
        self,
        user: Id | Profile,
        n: int = 10,
        *,
        lowest: bool = False,
        seen: bool = False,
        only: Iterable[Id] | None = None,
        exclude: Iterable[Id] = (),
        least: int = 0,
        by: Literal["prediction", "lower bound", "chance"] = "prediction",
        level: float = 0.8,
        seed: int | None = None,
    ) -> list[Scored]:
        """Return the n items with the highest predicted ratings, best first.

        Parameters
        ----------
        user
            An id, or a profile from `fold_in`.
        n
            How many; fewer come back where fewer are left.
        lowest
            The lowest instead, worst first.
        seen
            Whether to include what the user has rated.
        only, exclude
            Item ids to choose from, and to leave out. Items that were never rated have no score and are left out too.
        least
            Only items with so many ratings at least: little is known about the others.
        by
            "lower bound": by the lower end of the prediction's interval, for what is surely good (with `lowest` by the
            upper end, for what is surely bad). "chance": each item by a draw from what its prediction may be, so that
            items of which little is known get their turn (Thompson 1933). The score is that end, or the draw.
        level
            Of the interval.
        seed
            Of the draws; None draws anew each time.

        Raises
        ------
        UnknownIdError
            If the user, or an item of a filter, is in neither the ratings nor the catalogue.
        SettingsError
            If there is no such way to rank, or the model has no posterior that it needs.
        """
        profile = self._profile(user)
        found = scores(self.item_factors, self.item_bias, profile.factors, self.intercept + profile.bias)
        if by != "prediction":
            found = self._unsure(user, found, by, level, seed, lowest)
        allowed = self._allowed(only, exclude, least)
        if not seen:
            allowed[profile.items] = False
        chosen = best(found, allowed, n, lowest)
        return self._scored(self.items, chosen, self.scale.clip(found[chosen]))

    def _allowed(self, only: Iterable[Id] | None, exclude: Iterable[Id], least: int) -> NDArray[np.bool_]:
        allowed = np.full(len(self.items), only is None)
        if only is not None:
            allowed[self._filter(only)] = True
        allowed[self._filter(exclude)] = False
        if least > 0:
            allowed &= self.item_counts >= least
        return allowed

    def _unsure(
        self, user: Id | Profile, scores: Floats, by: str, level: float, seed: int | None, lowest: bool
    ) -> Floats:
        if by not in ("lower bound", "chance"):
            raise SettingsError(f"items are ranked by 'prediction', 'lower bound' or 'chance', not {by!r}")
        if seed is not None and (not isinstance(seed, int) or seed < 0):
            raise SettingsError(f"a seed is an integer from 0 on, not {seed!r}")
        posterior, i = self.certain(), np.arange(len(self.items), dtype=np.int32)
        if isinstance(user, Profile):
            variance, u = posterior.toward_items(user, self.item_factors, i), None
        else:
            u = self._index(self.users, user, "error")
            variance = posterior.variance(u, i)
        if by == "lower bound":
            reach = posterior.width(level) * np.sqrt(variance)
            return np.asarray(scores + reach if lowest else scores - reach, np.float32)
        drawn = np.random.default_rng(seed).normal(size=len(i))
        return np.asarray(scores + drawn * np.sqrt(np.maximum(variance - posterior.noise_of(u, i), 0)), np.float32)

    def recommend_batch(
        self,
        users: ArrayLike | None = None,
        n: int = 10,
        *,
        lowest: bool = False,
        seen: bool = False,
        only: Iterable[Id] | None = None,
        exclude: Iterable[Id] = (),
        least: int = 0,
        threads: int | None = None,
    ) -> tuple[NDArray[np.int32], Floats]:
        """Return the n best items of many users at once: the same as `recommend` for each, to the last bit.

        Parameters
        ----------
        users
            Ids, by default all users in the order of the vocabulary.
        n, lowest, seen, only, exclude, least
            As in `recommend`.
        threads
            How many; by default one for each core. They do not change the result.

        Returns
        -------
        tuple
            Item indices, int32 (users, n), and predicted ratings, float32 (users, n), best first. Where fewer than n
            items are left, the index is -1 and the rating NaN. ``model.items.ids[index]`` gives the ids.
        """
        u = np.arange(len(self.users)) if users is None else self._index(self.users, users, "error").ravel()
        shelf = Shelf(self.item_factors, self.item_bias, self._allowed(only, exclude, least), lowest)
        left_out = None
        if not seen and self.seen:
            left_out = self.seen.indptr[u], self.seen.indptr[u + 1], self.seen.indices
        offsets = (self.intercept + self.user_bias[u].astype(np.float64)).astype(np.float32)
        with shelf.opened(threads) as run:
            items, ratings = shelf.rank(run, self.user_factors[u], offsets, n, left_out)
        return items, np.asarray(self.scale.clip(ratings), np.float32)
