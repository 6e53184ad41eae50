"""The items to recommend to one user."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.model.parts import Floats, Id, Parts
from palate.model.row_solve import Profile
from palate.ranking import Scored, best, check_count, scores
from palate.ranking.approximate import ItemIndex

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
        index: ItemIndex | None = None,
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
        index
            From `index_items`: look only at items that it proposes, and miss a few of the best.

        Raises
        ------
        UnknownIdError
            If the user, or an item of a filter, is in neither the ratings nor the catalogue.
        SettingsError
            If there is no such way to rank, or the model has no posterior that it needs; if the index is of another
            model, or is to rank by something else than the prediction.
        """
        profile = self._profile(user)
        if index is not None:
            self._check_index(index, by)
            left_out = np.union1d(np.empty(0, np.int32) if seen else profile.items, self._filter(exclude))
            proposed = None if only is not None else self._proposed(index, profile, n, lowest, left_out, least)
            if proposed is not None:
                return proposed
        found = scores(self.item_factors, self.item_bias, profile.factors, self.intercept + profile.bias)
        if by != "prediction":
            found = self._unsure(user, found, by, level, seed, lowest)
        hidden = profile.items[:0] if seen else profile.items
        chosen = best(found, n, self._allowed(only, exclude, least), hidden, lowest)
        return self._scored(self.items, chosen, self.scale.clip(found[chosen]))

    def index_items(self, *, threads: int | None = None, seed: int = 0) -> ItemIndex:
        """Build an index with which `recommend` need not look at all items; worth it from some 100,000 items on.

        It needs the package faiss-cpu (``pip install 'palate[ann]'``) and takes minutes for a million items. How many
        of the best it finds is measured on a sample of the users, and told by its `recall`. With several threads it
        is not the same each time.

        Parameters
        ----------
        threads
            How many; by default one for each core.
        seed
            Of the links and of the sample.

        Raises
        ------
        MissingExtraError
            If faiss-cpu is not installed.
        """
        return ItemIndex(self.item_factors, self.item_bias, self.user_factors, threads, seed)

    def _check_index(self, index: ItemIndex, by: str) -> None:
        if index.factors is not self.item_factors:
            raise SettingsError("this index was made from another model: make one with index_items()")
        if by != "prediction":
            raise SettingsError(f"an index ranks by 'prediction' and not by {by!r}: leave it out")

    def _proposed(
        self, index: ItemIndex, profile: Profile, n: int, lowest: bool, left_out: NDArray[np.int32], least: int
    ) -> list[Scored] | None:
        """Return the best of what the index proposes, None where too few of that are left."""
        check_count(n)
        # Most of what is left out is not among the best: more are asked for only where too few remain.
        count = 2 * n + 32
        while (items := index.propose(profile.factors, count, lowest)) is not None:
            allowed = ~np.isin(items, left_out)
            if least > 0:
                allowed &= self.item_counts[items] >= least
            if allowed.sum() >= n:
                items = items[allowed]
                offset = self.intercept + profile.bias
                found = scores(self.item_factors[items], self.item_bias[items], profile.factors, offset)
                chosen = best(found, n, lowest=lowest)
                return self._scored(self.items, items[chosen], self.scale.clip(found[chosen]))
            count *= 4
        return None

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
