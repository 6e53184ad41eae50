"""New users and items from their ratings, what to ask them, and what speaks for a prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.model.parts import Floats, Id, Parts
from palate.model.row_solve import Contribution, Explanation, Profile, contributions, design, solve
from palate.ranking import Scored, best, information_gain
from palate.ratings import Vocabulary

__all__ = ["Folding"]


class Folding(Parts):
    """The part of a model that learns from ratings without fitting again, and gives reasons."""

    def fold_in(self, ratings: Mapping[Id, float]) -> Profile:
        """Find the factors of a user from ratings, without fitting again.

        Parameters
        ----------
        ratings
            Item id → rating, on the model's scale. May be empty: the profile is then the average user.

        Returns
        -------
        Profile
            To be used wherever a user id can be.

        Raises
        ------
        UnknownIdError
            If an item has no factors.
        DataError
            If a rating is not a finite number, or off the scale, or not above zero where it is a confidence.
        """
        items, values = self._rated(self.items, ratings)
        given = self._given(items, values)
        return self._folded(solve(self.item_factors[items], self._residuals(items, values), given), items, values)

    def fold_in_item(self, ratings: Mapping[Id, float]) -> Profile:
        """Find the factors of a new item from its first ratings: user id → rating. See `fold_in`.

        Raises
        ------
        SettingsError
            If the model has no posterior, and so no prior for items.
        """
        users, values = self._rated(self.users, ratings)
        residuals = values.astype(np.float64) - self.intercept - self.user_bias[users]
        given = self.certain().items.given(users, self.factors)
        return replace(self._folded(solve(self.user_factors[users], residuals, given), users, values), kind="item")

    def _rated(self, vocabulary: Vocabulary, ratings: Mapping[Id, float]) -> tuple[NDArray[np.int32], Floats]:
        if not isinstance(ratings, Mapping):
            raise DataError(f"ratings to fold in are a dictionary, {vocabulary.kind} id to rating")
        index = self._index(vocabulary, list(ratings), "error")
        if len(set(index.tolist())) < len(index):
            raise DataError(f"{'an item is' if vocabulary is self.items else 'a user has'} rated twice: give each once")
        values = np.array(list(ratings.values()), np.float32)
        for id, value in zip(ratings, values, strict=True):
            self._check_rating(f"{vocabulary.kind} {id!r}", value)
        return index, values

    def _check_rating(self, of: str, value: np.float32) -> None:
        if self.predicts == "rating":
            if not np.float32(self.scale.low) <= value <= np.float32(self.scale.high):
                raise DataError(f"rating {value:g} of {of} is off the model's scale, {self.scale}")
        elif not np.isfinite(value) or (self.penalty.confidence and value <= 0):
            allowed = "a number above zero, as it is a confidence" if self.penalty.confidence else "a finite number"
            raise DataError(f"rating {value:g} of {of} must be {allowed}")

    def _folded(
        self, found: tuple[float, Floats, NDArray[np.float64]], rated: NDArray[np.int32], values: Floats
    ) -> Profile:
        bias, factors, covariance = found
        return Profile(bias, factors, rated, values, covariance if self.posterior else None)

    def explain(self, user: Id | Profile, item: Id) -> Explanation:
        """Say how much each rated item speaks for a prediction.

        Raises
        ------
        UnknownIdError
            If the user or the item has no factors.
        DataError
            If the model was saved without the ratings it was fitted on.
        """
        if self.seen is None and not isinstance(user, Profile):
            raise DataError("this model keeps no ratings to explain from: fold in the user's ratings instead")
        profile, index = self._profile(user), self._find(self.items, item)
        residuals = self._residuals(profile.items, profile.ratings)
        given = self._given(profile.items, profile.ratings)
        parts, before, remainder = contributions(
            profile, self.item_factors[profile.items], residuals, self.item_factors[index], given
        )
        intercept = self.intercept + float(self.item_bias[index]) + before
        rated = [self.items[int(position)] for position in profile.items]
        found = [
            Contribution(id, float(rating), float(part), self.catalogue.title(id))
            for id, rating, part in zip(rated, profile.ratings, parts, strict=True)
        ]
        found.sort(key=lambda part: -abs(part.contribution))
        total = intercept + float(parts.sum()) + remainder
        own = self.items[index]
        return Explanation(own, self.catalogue.title(own), total, intercept, tuple(found), remainder)

    def ask(self, user: Id | Profile, n: int = 10, *, exclude: Iterable[Id] = ()) -> list[Scored]:
        """Return the n items whose rating would tell most about a user, the most telling first.

        The score is the share that the rating would take off the variance of the user's predictions, each item counted
        as often as it is rated: see `palate.ranking.information_gain`.

        Parameters
        ----------
        user
            An id, or a profile from `fold_in`; ``model.fold_in({})`` is somebody of whom nothing is known.
        n
            How many.
        exclude
            Item ids to leave out, such as those that the user does not know.

        Raises
        ------
        UnknownIdError
            If the user has no factors.
        SettingsError
            If the model has no posterior.
        DataError
            If the model keeps no ratings, which tell what is known of the user.
        """
        prior = self.certain().users
        if self.seen is None and not isinstance(user, Profile):
            raise DataError("this model keeps no ratings: fold in what the user has rated instead")
        profile = self._profile(user)
        covariance = profile.covariance
        if covariance is None:
            residuals = self._residuals(profile.items, profile.ratings)
            given = self._given(profile.items, profile.ratings)
            covariance = solve(self.item_factors[profile.items], residuals, given)[-1]
        share = information_gain(design(self.item_factors), covariance, prior.noise, np.maximum(1, self.item_counts))
        chosen = best(share, n, hidden=np.concatenate([profile.items, self._filter(exclude)]))
        return self._scored(self.items, chosen, share[chosen])
