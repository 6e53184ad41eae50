"""How likely users like items: the quick answer that the search for a choice head combines with choices."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Self

import numpy as np
from numpy.typing import NDArray

from palate.model import Model
from palate.model.interest import chance_of_liking
from palate.solvers.held_out_lists import HeldOutLists

__all__ = ["Liking"]

Floats = NDArray[np.float32]
Indices = NDArray[np.int32]


@dataclass(frozen=True)
class Liking:
    """How likely users like items, by a model of ratings; a call with users returns it for all items."""

    model: Model
    user_index: Indices
    item_index: Indices
    deviation: float
    boundary: float

    @classmethod
    def of(cls, model: Model, lists: HeldOutLists, boundary: float) -> Self:
        """Take a model of the training part of the lists; its errors are those of the held-out part."""
        train = lists.train
        user_index, item_index = model.users.index(train.users.ids), model.items.index(train.items.ids)
        errors = lists.held_out.rating - model.predict_table(lists.held_out)
        deviation = max(sqrt(float(np.mean(np.square(errors, dtype=np.float64)))), 1e-6)
        return cls(model, user_index, item_index, deviation, boundary)

    def __call__(self, users: Indices) -> Floats:
        """Return the chance of liking: float32, (users, items)."""
        model, user, item = self.model, self.user_index[users], self.item_index
        predictions = model.user_factors[user] @ model.item_factors[item].T + model.user_bias[user, None]
        predictions += model.item_bias[item] + np.float32(model.intercept)
        return chance_of_liking(predictions, self.deviation**2, self.boundary)

    def logarithms(self, users: Indices) -> Floats:
        """Return the logarithm of the chance: float32, (users, items)."""
        return np.log(np.maximum(self(users), np.float32(1e-30)))
