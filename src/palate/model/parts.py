"""What a model consists of, and what everything that it answers starts from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from palate.catalogue import Catalogue
from palate.errors import SettingsError, UnknownIdError
from palate.model.row_solve import Given, Penalty, Profile, Unobserved
from palate.model.uncertainty import Posterior
from palate.ranking import Scored
from palate.ratings import Grouped, Ratings, RatingScale, Vocabulary

__all__ = ["Floats", "Id", "Parts", "Predicts"]

Id = int | str
#: What scores are: a rating, or how likely a user chooses an item.
Predicts = Literal["rating", "choice"]
Floats = NDArray[np.float32]

USUAL_PENALTY = Penalty(factors=0.1, bias=0.1, by_count=True)


@dataclass(frozen=True, eq=False)
class Parts:
    """The arrays and ids of a model: see `palate.Model`."""

    users: Vocabulary
    items: Vocabulary
    intercept: float
    mean: float
    user_bias: Floats
    item_bias: Floats
    user_factors: Floats
    item_factors: Floats
    scale: RatingScale
    seen: Grouped | None = None
    catalogue: Catalogue = field(default_factory=Catalogue)
    penalty: Penalty = USUAL_PENALTY
    posterior: Posterior | None = None
    solver: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    predicts: Predicts = "rating"

    @property
    def factors(self) -> int:
        """The number of factors of each user and item, k."""
        return int(self.item_factors.shape[1])

    @property
    def size(self) -> dict[str, int]:
        """How many numbers the full matrix has, and how many this model keeps instead."""
        rows = len(self.users) + len(self.items)
        return {"matrix": len(self.users) * len(self.items), "factors": rows * self.factors, "biases": rows}

    def __repr__(self) -> str:
        name = self.solver.get("name", "model")
        return f"Model({name}, {len(self.users):,} users, {len(self.items):,} items, {self.factors} factors)"

    @cached_property
    def item_counts(self) -> NDArray[np.int64]:
        """How many training ratings each item has: int64, (items,). Zeros where the model keeps no ratings."""
        return np.bincount(self.seen.indices if self.seen else [], minlength=len(self.items))

    def certain(self) -> Posterior:
        """Return the posterior.

        Raises
        ------
        SettingsError
            If there is none.
        """
        if self.posterior is None:
            raise SettingsError(
                f"a model of the solver {self.solver.get('name', 'given')!r} does not know how sure it is: fit with "
                "the solver 'bayes'"
            )
        return self.posterior

    def ratings(self) -> Ratings | None:
        """Return the ratings that the model was fitted on, None if it keeps none."""
        if self.seen is None:
            return None
        user = np.repeat(np.arange(len(self.users), dtype=np.int32), np.diff(self.seen.indptr))
        return Ratings(self.users, self.items, user, self.seen.indices, self.seen.values, self.scale)

    def _index(self, vocabulary: Vocabulary, ids: Any, unknown: str) -> NDArray[np.int32]:
        if isinstance(ids, (str, int, np.integer)):
            id = ids if isinstance(ids, str) else int(ids)
            return np.array(self._find(vocabulary, id) if unknown == "error" else vocabulary.find(id), np.int32)
        shape = np.shape(ids)
        index = vocabulary.index(ids if shape else [ids]).reshape(shape)
        if unknown == "error" and (index < 0).any():
            missing = np.asarray(ids, dtype=object).reshape(shape)[index < 0].ravel()[0]
            raise UnknownIdError(self._unknown(vocabulary, missing))
        return index

    def _find(self, vocabulary: Vocabulary, id: Id) -> int:
        index = vocabulary.find(id)
        if index < 0:
            raise UnknownIdError(self._unknown(vocabulary, id))
        return index

    def _unknown(self, vocabulary: Vocabulary, id: Id) -> str:
        if vocabulary is self.items and self.catalogue.get(id):
            return f"item {id!r} is in the catalogue but was never rated: it has no factors and no score"
        return f"{vocabulary.kind} {id!r} is unknown: {vocabulary.describe()}"

    def _filter(self, ids: Iterable[Id]) -> NDArray[np.int32]:
        wanted = [ids] if isinstance(ids, (str, int, np.integer)) else list(ids)
        if not wanted:
            return np.empty(0, np.int32)
        index = self.items.index(wanted)
        for id, position in zip(wanted, index, strict=True):
            if position < 0 and not self.catalogue.get(id):
                raise UnknownIdError(self._unknown(self.items, id))
        return index[index >= 0]

    def _profile(self, user: Id | Profile) -> Profile:
        if isinstance(user, Profile):
            self._check_profile(user, "user")
            return user
        index = self._find(self.users, user)
        items, ratings = self.seen[index] if self.seen else (np.empty(0, np.int32), np.empty(0, np.float32))
        return Profile(float(self.user_bias[index]), self.user_factors[index], items, ratings)

    def _check_profile(self, profile: Profile, kind: str) -> None:
        if profile.kind != kind or profile.factors.shape != (self.factors,):
            made = "" if profile.kind == kind else f"of {'an item' if kind == 'user' else 'a user'} "
            raise SettingsError(f"a {kind} is expected, not a profile {made}made by another model or method")

    @cached_property
    def _unobserved(self) -> Unobserved | None:
        # Of a model of choices, every item is part of a user's equations.
        weight, factors = self.penalty.unobserved, self.item_factors.astype(np.float64)
        return Unobserved(weight * (factors.T @ factors), weight * len(factors)) if weight else None

    def _given(self, items: NDArray[np.int32], ratings: Floats) -> Given:
        if self.posterior is not None:
            return self.posterior.users.given(items, self.factors)
        return self.penalty.given(ratings, self.factors, self._unobserved)

    def _residuals(self, items: NDArray[np.int32], ratings: Floats) -> NDArray[np.float64]:
        if self.predicts == "choice":
            return np.ones(len(items))
        return ratings.astype(np.float64) - self.intercept - self.item_bias[items]

    def _scored(self, vocabulary: Vocabulary, index: NDArray[np.integer], scores: Floats) -> list[Scored]:
        named = self.catalogue.title if vocabulary is self.items else str
        rows = zip(vocabulary.ids[index].tolist(), scores.tolist(), strict=True)
        return [Scored(id, score, named(id)) for id, score in rows]

    def _allowed(self, only: Iterable[Id] | None, exclude: Iterable[Id], least: int) -> NDArray[np.bool_] | None:
        """Return which items a filter leaves, None for all."""
        left_out = self._filter(exclude)
        if only is None and not len(left_out) and least <= 0:
            return None
        allowed = np.full(len(self.items), only is None)
        if only is not None:
            allowed[self._filter(only)] = True
        allowed[left_out] = False
        if least > 0:
            allowed &= self.item_counts >= least
        return allowed
