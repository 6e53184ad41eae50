"""Items and users whose factors are alike."""

from __future__ import annotations

from typing import Literal

import numpy as np

from palate.errors import SettingsError
from palate.model.parts import Floats, Id, Parts
from palate.model.row_solve import Profile
from palate.ranking import Scored, best
from palate.ratings import Vocabulary

__all__ = ["Similarity"]


class Similarity(Parts):
    """The part of a model that finds items and users like others."""

    def similar_items(self, item: Id, n: int = 10, *, by: Literal["cosine", "dot"] = "cosine") -> list[Scored]:
        """Return the n items whose factors are most like those of an item: what the same people like.

        Parameters
        ----------
        item
            An id.
        n
            How many.
        by
            "cosine" of the factors, or their "dot" product.

        Raises
        ------
        UnknownIdError
            If the item has no factors.
        """
        index = self._find(self.items, item)
        return self._similar(self.items, self.item_factors, self.item_factors[index], index, n, by)

    def similar_users(
        self, user: Id | Profile, n: int = 10, *, by: Literal["cosine", "dot"] = "cosine"
    ) -> list[Scored]:
        """Return the n users whose factors are most like those of a user: see `similar_items`."""
        index = -1 if isinstance(user, Profile) else self._find(self.users, user)
        return self._similar(self.users, self.user_factors, self._profile(user).factors, index, n, by)

    def _similar(
        self, vocabulary: Vocabulary, factors: Floats, vector: Floats, own: int, n: int, by: str
    ) -> list[Scored]:
        if by not in ("cosine", "dot"):
            raise SettingsError(f"similarity is by 'cosine' or 'dot', not {by!r}")
        found = factors @ vector
        allowed = np.ones(len(factors), dtype=bool)
        if by == "cosine":
            lengths = np.linalg.norm(factors, axis=1) * np.linalg.norm(vector)
            allowed = lengths > 0
            found = np.divide(found, lengths, out=np.zeros_like(found), where=allowed)
        if own >= 0:
            allowed[own] = False
        chosen = best(found, n, allowed)
        return self._scored(vocabulary, chosen, found[chosen])
