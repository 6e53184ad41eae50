"""An index that finds most of the best items without looking at all of them, for very large catalogues.

It is a graph of neighbours (Malkov and Yashunin 2020, "Efficient and robust approximate nearest neighbor search using
hierarchical navigable small world graphs"), built by the package faiss. The index proposes items; their scores are
computed as in the exact ranking, with the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import MissingExtraError
from palate.parallel import available
from palate.ranking.single import Floats, best, scores

__all__ = ["ItemIndex"]

# The links of each item, and the candidates that are kept while an item is linked: more of both raise the recall and
# the time to build.
_LINKS, _BUILD_CANDIDATES = 16, 128
# The candidates that a search keeps: a multiple of the items that it returns, and a number in any case.
_SEARCH_FACTOR, _LEAST_SEARCH_CANDIDATES = 2, 256
# If more than this share of the items would have to be proposed, looking at all of them is faster.
_LARGEST_SHARE = 0.05
# The recall is measured for this number of users, on this number of items for each.
_SAMPLE, _TOP = 200, 10


class ItemIndex:
    """The items of one model, each linked to similar ones; made by `palate.Model.index_items`.

    Attributes
    ----------
    factors
        float32, (items, k): those of the model from which the index was made.
    recall
        The share of the exact ten best items that the index finds, over a sample of the model's users, without filters.
    """

    def __init__(self, factors: Floats, bias: Floats, users: Floats, threads: int | None, seed: int) -> None:
        faiss = _faiss()
        self.factors, self._bias, self._faiss = factors, bias, faiss
        # A bias is one more factor, whose partner is 1. The graph uses inner products directly: making all norms equal
        # with one more column, as is often advised, lowers the recall (measured: 0.93 instead of 0.99 at one speed).
        vectors = np.concatenate([factors, bias[:, None]], axis=1)
        self._graph = faiss.IndexHNSWFlat(vectors.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
        self._graph.hnsw.efConstruction = _BUILD_CANDIDATES
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
        """Return about `count` items that are likely to be among the best of a user, ascending.

        None if that would be no faster than looking at all items.
        """
        if count > _LARGEST_SHARE * len(self.factors):
            return None
        query = np.append(vector, np.float32(1)).astype(np.float32)[None]
        candidates = max(_LEAST_SEARCH_CANDIDATES, _SEARCH_FACTOR * count)
        parameters = self._faiss.SearchParametersHNSW(efSearch=candidates)
        _, items = self._graph.search(-query if lowest else query, count, params=parameters)
        return np.unique(items[items >= 0])  # -1 where the search reached fewer items

    def _measure(self, users: Floats, rng: np.random.Generator) -> float:
        sample = users[rng.choice(len(users), min(_SAMPLE, len(users)), replace=False)]
        shares = []
        for vector in sample:
            exact = best(scores(self.factors, self._bias, vector, 0.0), _TOP)
            proposed = self.propose(vector, _TOP)
            shares.append(1.0 if proposed is None else float(np.isin(exact, proposed).mean()))
        return float(np.mean(shares)) if shares else 1.0


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise MissingExtraError("an index of items", "ann") from None
    return faiss
