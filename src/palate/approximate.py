"""An index that finds most of the best items without looking at all of them, for very large catalogues.

It is a graph of neighbours (Malkov and Yashunin 2020, "Efficient and robust approximate nearest neighbor search using
hierarchical navigable small world graphs"), held by the package voyager. It proposes items; their scores are then those
of the exact ranking, to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import MissingExtraError
from palate.ranking import best, scores
from palate.threads import available

__all__ = ["ItemIndex"]

Floats = NDArray[np.float32]

# Links of each item, and how many candidates are kept while one is linked: more of both find more and build longer.
_LINKS, _CARE = 16, 200
# The search keeps this many times as many candidates as it returns, and some in any case.
_BREADTH, _LEAST_BREADTH = 4, 100
# Where so large a share of the items would have to be proposed, looking at all of them is faster.
_FALL_BACK = 0.05
# The recall is measured for so many users, on so many items.
_SAMPLE, _TOP = 200, 10


class ItemIndex:
    """The items of one model, linked to those like them; made by `palate.Model.index_items`.

    Attributes
    ----------
    factors
        Those of the model it was made from.
    recall
        The share of the exact ten best items that the index finds, over a sample of the model's users, nothing left
        out.
    """

    def __init__(self, factors: Floats, bias: Floats, users: Floats, threads: int | None, seed: int) -> None:
        voyager = _voyager()
        self.factors, self._bias = factors, bias
        # A bias is a last factor, whose partner is one.
        vectors = np.concatenate([factors, bias[:, None]], axis=1)
        space = voyager.Space.InnerProduct
        self._graph = voyager.Index(space, vectors.shape[1], M=_LINKS, ef_construction=_CARE, random_seed=seed)
        self._graph.add_items(vectors, num_threads=threads or available())
        self.recall = self._measure(users, np.random.default_rng(seed))

    def __repr__(self) -> str:
        return f"ItemIndex({len(self.factors):,} items, recall {self.recall:.3f})"

    def propose(self, vector: Floats, count: int, lowest: bool = False) -> NDArray[np.int64] | None:
        """Return about as many items as are asked for that are likely among the best of a user, ascending.

        None where the graph cannot, or where it would be no faster than looking at all items.
        """
        if count > _FALL_BACK * len(self.factors):
            return None
        asked = np.append(vector, np.float32(1)).astype(np.float32)
        breadth = max(_LEAST_BREADTH, _BREADTH * count)
        try:
            found, _ = self._graph.query(-asked if lowest else asked, k=count, query_ef=breadth)
        except RuntimeError:  # it reached fewer items than it was asked for
            return None
        return np.unique(found.astype(np.int64))

    def _measure(self, users: Floats, rng: np.random.Generator) -> float:
        sample = users[rng.choice(len(users), min(_SAMPLE, len(users)), replace=False)]
        everything = np.ones(len(self.factors), dtype=bool)
        shares = []
        for vector in sample:
            exact = best(scores(self.factors, self._bias, vector, 0.0), everything, _TOP, lowest=False)
            found = self.propose(vector, _TOP)
            shares.append(1.0 if found is None else float(np.isin(exact, found).mean()))
        return float(np.mean(shares)) if shares else 1.0


def _voyager() -> Any:
    try:
        import voyager
    except ImportError:
        raise MissingExtraError("an index of items", "ann") from None
    return voyager
