"""An index that finds most of the best items without looking at all of them, for very large catalogues.

It is a graph of neighbours (Malkov and Yashunin 2020, "Efficient and robust approximate nearest neighbor search using
hierarchical navigable small world graphs"), held by the package faiss. It proposes items; their scores are then those
of the exact ranking, to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import MissingExtraError
from palate.parallel import available
from palate.ranking import best, scores

__all__ = ["ItemIndex"]

Floats = NDArray[np.float32]

# Links of each item, and how many candidates are kept while one is linked: more of both find more and build longer.
_LINKS, _CARE = 16, 128
# A search keeps this many times as many candidates as it returns, and so many in any case.
_BREADTH, _LEAST_BREADTH = 2, 256
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
        faiss = _faiss()
        self.factors, self._bias, self._faiss = factors, bias, faiss
        # A bias is a last factor, whose partner is one. Inner products as they are: lengths that are made equal by one
        # more column, as is often advised, cost recall (0.93 instead of 0.99 at the same speed, measured).
        vectors = np.concatenate([factors, bias[:, None]], axis=1)
        self._graph = faiss.IndexHNSWFlat(vectors.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
        self._graph.hnsw.efConstruction = _CARE
        before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(threads or available())
        try:
            self._graph.add(vectors)
        finally:
            faiss.omp_set_num_threads(before)
        self.recall = self._measure(users, np.random.default_rng(seed))

    def __repr__(self) -> str:
        return f"ItemIndex({len(self.factors):,} items, recall {self.recall:.3f})"

    def propose(self, vector: Floats, count: int, lowest: bool = False) -> NDArray[np.int64] | None:
        """Return about as many items as are asked for that are likely among the best of a user, ascending.

        None where that would be no faster than looking at all items.
        """
        if count > _FALL_BACK * len(self.factors):
            return None
        asked = np.append(vector, np.float32(1)).astype(np.float32)[None]
        breadth = self._faiss.SearchParametersHNSW(efSearch=max(_LEAST_BREADTH, _BREADTH * count))
        _, found = self._graph.search(-asked if lowest else asked, count, params=breadth)
        return np.unique(found[found >= 0])  # -1 where it reached fewer

    def _measure(self, users: Floats, rng: np.random.Generator) -> float:
        sample = users[rng.choice(len(users), min(_SAMPLE, len(users)), replace=False)]
        shares = []
        for vector in sample:
            exact = best(scores(self.factors, self._bias, vector, 0.0), _TOP)
            found = self.propose(vector, _TOP)
            shares.append(1.0 if found is None else float(np.isin(exact, found).mean()))
        return float(np.mean(shares)) if shares else 1.0


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise MissingExtraError("an index of items", "ann") from None
    return faiss
