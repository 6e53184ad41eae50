"""A map of the items: two principal components of their factors, and groups of similar items."""

from __future__ import annotations

import warnings
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from palate.service.loaded_model import LoadedModel

__all__ = ["item_map"]

_GROUPS, _ITERATIONS, _SNIPPET = 6, 20, 200
_maps: WeakKeyDictionary[LoadedModel, LRUCache[int, dict[str, Any]]] = WeakKeyDictionary()


def item_map(loaded: LoadedModel, n: int) -> dict[str, Any]:
    """Return the map of the n items that were rated most. Maps of a few n are cached."""
    cache = _maps.setdefault(loaded, LRUCache(8))
    content = cache.get(n)
    if content is None:
        content = cache[n] = _make(loaded, n)
    return content


def _make(loaded: LoadedModel, n: int) -> dict[str, Any]:
    model = loaded.model
    chosen = np.sort(np.argsort(-model.item_counts, kind="stable")[:n])
    factors = model.item_factors[chosen].astype(np.float64)
    places, explained = _components(factors)
    groups = _groups(factors)
    items = []
    for index, (x, y), group in zip(chosen.tolist(), places.tolist(), groups.tolist(), strict=True):
        id, count = loaded.ids[index], int(model.item_counts[index])
        text = model.catalogue.text(id)
        snippet = text if len(text) <= _SNIPPET else text[: _SNIPPET - 1].rstrip() + "…"
        mean = float(loaded.means[index]) if count else None
        item = {"item": id, "title": loaded.titles[index], "text": snippet, "x": x, "y": y}
        items.append({**item, "ratings": count, "mean": mean, "group": group})
    return {"explained": explained, "groups": int(groups.max(initial=-1)) + 1, "items": items}


def _components(factors: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[float]]:
    """Return the first two principal components, scaled into -1 to 1, and their shares of the variance."""
    centred = factors - factors.mean(axis=0) if len(factors) else factors
    if not centred.size:
        return np.zeros((len(factors), 2)), [0.0, 0.0]
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    axes = np.vstack([axes, np.zeros((2, axes.shape[1]))])[:2]
    # A fixed sign: a map that is mirrored after each fit would confuse people.
    axes *= np.where(np.sum(axes, axis=1) < 0, -1.0, 1.0)[:, None]
    places = centred @ axes.T
    total = float((lengths**2).sum()) or 1.0
    shares = [float(length) ** 2 / total for length in [*lengths, 0.0, 0.0][:2]]
    return places / (np.abs(places).max(axis=0) + 1e-12), shares


def _groups(factors: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a group for each item: k-means on the directions of the factors.

    It starts from items that are far from each other, so that the same model always gives the same groups.
    """
    if not factors.shape[1]:
        return np.zeros(len(factors), np.int64)
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    directions = factors / np.where(lengths > 0, lengths, 1)
    if len(directions) <= _GROUPS:
        return np.arange(len(directions))
    from scipy.cluster.vq import kmeans2  # loaded for the first map, not for every service

    starts = [int(np.argmax(lengths))]
    while len(starts) < _GROUPS:
        starts.append(int(np.argmin((directions @ directions[starts].T).max(axis=1))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a group may be empty: some items may have equal factors
        _, groups = kmeans2(directions, directions[starts], iter=_ITERATIONS, minit="matrix")
    return np.asarray(groups, np.int64)
