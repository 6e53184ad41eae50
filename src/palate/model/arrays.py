"""What a model is made of: arrays and ids, and what follows from them directly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from palate.cached import cached_property
from palate.catalogue import Catalogue
from palate.errors import SettingsError
from palate.model.choice import ChoiceHead, FactorsHead
from palate.model.interest import Interest
from palate.model.row_solve import RidgePenalty, UnobservedTerm
from palate.model.time_effects import TimeEffects
from palate.model.trend import Trends
from palate.model.uncertainty import Posterior
from palate.ratings import Grouped, Ratings, RatingScale, Vocabulary
from palate.tabular import Tabular

__all__ = ["Floats", "Id", "ModelArrays", "Predicts"]

Id = int | str
#: What scores are: a rating, or how likely a user chooses an item.
Predicts = Literal["rating", "choice"]
Floats = NDArray[np.float32]

_GREATEST = float(np.finfo(np.float32).max)
_DEFAULT_PENALTY = RidgePenalty(factors=0.1, bias=0.1, by_count=True)


@dataclass(frozen=True, eq=False, repr=False)
class ModelArrays(Tabular):
    """The data of a model, without the questions that it answers: see `palate.Model` for the fields."""

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
    penalty: RidgePenalty = _DEFAULT_PENALTY
    posterior: Posterior | None = None
    solver: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    predicts: Predicts = "rating"
    choice: ChoiceHead | None = None
    interest: Interest | None = None
    seen_time: NDArray[np.int64] | None = None
    times: TimeEffects | None = None

    def __repr__(self) -> str:
        name = self.solver.get("name", "model")
        return f"Model({name}, {len(self.users):,} users, {len(self.items):,} items, {self.factors} factors)"

    def columns(self) -> dict[str, Any]:
        """Return a row for each item: its id, title, number of ratings, bias and factors."""
        ids = self.items.ids.tolist()
        facts = {"item": ids, "title": [self.catalogue.title(id) for id in ids], "ratings": self.item_counts}
        factors = {f"factor_{place + 1}": self.item_factors[:, place] for place in range(self.factors)}
        return {**facts, "bias": self.item_bias, **factors}

    def shown_columns(self) -> dict[str, Any]:
        """Return what is known of the model, a row a fact."""
        facts = {name: value for name, value in self.as_dict().items() if value is not None}
        return {"": list(facts), "value": [str(value) for value in facts.values()]}

    def heading(self) -> str:
        """Say what the model is."""
        return repr(self)

    def as_dict(self) -> dict[str, Any]:
        """Return what the model is as plain values."""
        return {
            "solver": self.solver.get("name"),
            "predicts": self.predicts,
            "users": len(self.users),
            "items": len(self.items),
            "ratings": None if self.seen is None else len(self.seen.indices),
            "factors": self.factors,
            "scale": [self.scale.low, self.scale.high],
            "mean": self.mean,
            "intervals": self.posterior is not None,
            "titles": len(self.catalogue),
        }

    @property
    def factors(self) -> int:
        """The number of factors of each user and item, k."""
        return int(self.item_factors.shape[1])

    @property
    def size(self) -> dict[str, int]:
        """How many numbers the full matrix has, and how many factors and biases the model keeps instead."""
        sides = (len(self.users), self.user_bias), (len(self.items), self.item_bias)
        return {
            "matrix": len(self.users) * len(self.items),
            "factors": sum(rows for rows, _ in sides) * self.factors,
            "biases": sum(rows for rows, bias in sides if bias.any()),  # a solver without biases leaves zeros
        }

    @property
    def positive_ratings(self) -> bool:
        """Whether ratings must be above zero, because the solver takes them as confidences."""
        return bool(self.penalty.confidence)

    @cached_property
    def item_counts(self) -> NDArray[np.int64]:
        """How many training ratings each item has: int64, (items,). Zeros if the model keeps no ratings."""
        return np.bincount(self.seen.indices if self.seen else [], minlength=len(self.items))

    @cached_property
    def seen_items(self) -> NDArray[np.int32]:
        """The item indices of `seen`, ascending for each user: int32, (ratings,)."""
        if self.seen is None:
            return np.empty(0, np.int32)
        indptr, indices, _ = self.seen
        descends = indices[1:] < indices[:-1]
        starts = indptr[1:-1]
        descends[starts[(starts > 0) & (starts < len(indices))] - 1] = False
        if not descends.any():  # as nearly always
            return indices
        user = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        return indices[np.lexsort((indices, user))]

    @cached_property
    def trends(self) -> Trends | None:
        """What the latest choices favour; None where this does not count, or the times are not known."""
        if self.interest is None or not self.interest.trend or self.seen is None or self.seen_time is None:
            return None
        user = np.repeat(np.arange(len(self.users)), np.diff(self.seen.indptr))
        sizes = len(self.users), len(self.items)
        return Trends.of(user, self.seen.indices, self.seen_time, sizes, self.interest.half_life)

    @cached_property
    def unobserved_term(self) -> UnobservedTerm | None:
        """What unrated items add to every user's equations; None if only ratings count."""
        return self.penalty.unobserved_term(self.item_factors)

    @cached_property
    def choice_head(self) -> ChoiceHead | None:
        """How likely users choose items: `choice`, or the model's own factors if its scores are choices; else None."""
        if self.choice is None and self.predicts == "choice":
            return FactorsHead(self.user_factors, self.item_factors, self.penalty)
        return self.choice

    @property
    def predicts_numbers(self) -> bool:
        """Whether all parameters are finite, and so small that no product of factors exceeds what float32 can hold."""
        biases: list[NDArray[Any]] = [self.user_bias, self.item_bias]
        factors: list[NDArray[Any]] = [self.user_factors, self.item_factors]
        if self.posterior is not None:
            means = self.posterior.users.mean, self.posterior.items.mean
            biases += [mean[-1:] for mean in means]
            factors += [mean[:-1] for mean in means]
        bias, factor = max(map(_size, biases)), max(map(_size, factors))
        largest = abs(self.intercept) + 2 * bias + self.factors * factor * factor
        return largest <= _GREATEST and all(bool(np.isfinite(_size(part))) for part in biases + factors)

    def require_posterior(self) -> Posterior:
        """Return the posterior.

        Raises
        ------
        SettingsError
            If the model has none.
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
        table = Ratings(self.users, self.items, user, self.seen.indices, self.seen.values, self.scale)
        return replace(table, time=self.seen_time)


def _size(part: NDArray[Any]) -> float:
    """Return the largest absolute value, NaN if there is a NaN; without a second array of this size."""
    ends = (float(part.min()), float(part.max())) if part.size else (0.0,)
    return float(np.abs(ends).max())
