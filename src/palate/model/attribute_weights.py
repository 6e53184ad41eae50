"""What attributes say of the factors and the bias of a user or an item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.attributes import Attributes, Cell
from palate.cached import cached_property
from palate.ratings import Vocabulary

__all__ = ["AttributeContribution", "AttributeWeights"]

Doubles = NDArray[np.float64]


class AttributeContribution(NamedTuple):
    """How much an attribute of the item, or of the user, moves a prediction, in rating points.

    Attributes
    ----------
    of
        "item" or "user".
    attribute
        What is known, such as "genres: Comedy".
    contribution
        Compared with an item (a user) of which the attribute is not known.
    """

    of: str
    attribute: str
    contribution: float


@dataclass(frozen=True, eq=False)
class AttributeWeights:
    """The attributes of one side and their weights: rows have the prior mean F B beyond the common one.

    Attributes
    ----------
    attributes
        The table.
    weights
        float32 (columns, k + 1): B, the last column for the bias.
    base
        float32 (k + 1,): what every row with attributes has beyond the common mean. None for nothing.
    """

    attributes: Attributes
    weights: NDArray[np.float32]
    base: NDArray[np.float32] | None = None

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self.attributes.ids)

    def row(self, id: int | str) -> Doubles | None:
        """Return the centred attributes of an id: float64 (columns,); None if it has none."""
        place = self._vocabulary.find(id)
        if place < 0:
            return None
        start, stop = self.attributes.indptr[place], self.attributes.indptr[place + 1]
        row = -self.attributes.center
        row[self.attributes.indices[start:stop]] += self.attributes.values[start:stop]
        return row

    def shift(self, id: int | str) -> Doubles:
        """Return what the attributes of an id add to its prior mean: float64 (k + 1,)."""
        row = self.row(id)
        return np.zeros(self.weights.shape[1]) if row is None else self._shift(row)

    def shift_of(self, cells: Mapping[str, Cell]) -> Doubles:
        """Return what attributes that are not in the table add to a prior mean: see `Attributes.encode`."""
        return self._shift(self.attributes.encode(cells))

    def _shift(self, row: Doubles) -> Doubles:
        shift = row @ self.weights
        return np.asarray(shift if self.base is None else shift + self.base)

    def contributions(self, id: int | str, partner: Doubles, of: str) -> list[AttributeContribution]:
        """Return what each attribute adds to predictions with a partner, float64 (k + 1,); the largest first.

        What an item lacks is told only together: that a film is no comedy, no drama and no western is one sum.
        """
        place = self._vocabulary.find(id)
        row = self.row(id)
        if row is None:
            return []
        parts = row * (self.weights @ partner)
        start, stop = self.attributes.indptr[place], self.attributes.indptr[place + 1]
        there = sorted(set(self.attributes.indices[start:stop].tolist()))
        listed = [AttributeContribution(of, self.attributes.labels[at], float(parts[at])) for at in there]
        listed.sort(key=lambda one: -abs(one.contribution))
        absent = float(parts.sum()) - sum(one.contribution for one in listed)
        rest = AttributeContribution(of, "attributes that it does not have", absent)
        return [*listed, rest] if parts.size > len(there) else listed
