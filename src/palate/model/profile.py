"""A user or an item as the numbers that a prediction needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Profile"]


@dataclass(frozen=True, eq=False)
class Profile:
    """A user, fitted or folded in; or a folded-in item.

    Attributes
    ----------
    bias
        float.
    factors
        float32, (k,).
    items
        int32, (n,): the indices of the rated items (for an item: of the users who rated it). Empty if the model keeps
        no ratings.
    ratings
        float32, (n,): their ratings.
    covariance
        float64, (k + 1, k + 1): of the factors and the bias. None if the uncertainty is unknown.
    kind
        "user" or "item".
    """

    bias: float
    factors: NDArray[np.float32]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32]
    covariance: NDArray[np.float64] | None = None
    kind: Literal["user", "item"] = "user"

    def __repr__(self) -> str:
        return f"Profile({len(self.items):,} ratings)"
