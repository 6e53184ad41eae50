"""A map of the items: two principal components of their factors, and groups of items that are alike."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.service.loaded_model import LoadedModel

__all__ = ["drawn"]

_GROUPS, _ROUNDS, _SNIPPET = 6, 20, 200
_drawn: weakref.WeakKeyDictionary[LoadedModel, dict[int, dict[str, Any]]] = weakref.WeakKeyDictionary()


def drawn(edition: LoadedModel, n: int) -> dict[str, Any]:
    """Return the map of the n items that are rated most; maps are kept, for a few n."""
    kept = _drawn.setdefault(edition, {})
    if n not in kept:
        if len(kept) >= 8:
            kept.clear()
        kept[n] = _draw(edition, n)
    return kept[n]


def _draw(edition: LoadedModel, n: int) -> dict[str, Any]:
    model = edition.model
    chosen = np.sort(np.argsort(-model.item_counts, kind="stable")[:n])
    factors = model.item_factors[chosen].astype(np.float64)
    places, explained = _components(factors)
    groups = _groups(factors)
    told = []
    for at, (x, y), group in zip(chosen.tolist(), places.tolist(), groups.tolist(), strict=True):
        id, count = edition.ids[at], int(model.item_counts[at])
        text = model.catalogue.text(id)
        short = text if len(text) <= _SNIPPET else text[: _SNIPPET - 1].rstrip() + "…"
        mean = float(edition.means[at]) if count else None
        one = {"item": id, "title": edition.titles[at], "text": short, "x": x, "y": y}
        told.append({**one, "ratings": count, "mean": mean, "group": group})
    return {"explained": explained, "groups": int(groups.max(initial=-1)) + 1, "items": told}


def _components(factors: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[float]]:
    """Return the first two principal components, scaled into -1 to 1, and their shares of the variance."""
    centred = factors - factors.mean(axis=0) if len(factors) else factors
    if not centred.size:
        return np.zeros((len(factors), 2)), [0.0, 0.0]
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    axes = np.vstack([axes, np.zeros((2, axes.shape[1]))])[:2]
    axes *= np.where(np.sum(axes, axis=1) < 0, -1.0, 1.0)[:, None]  # a mirrored map after each fit would confuse
    places = centred @ axes.T
    total = float((lengths**2).sum()) or 1.0
    shares = [float(one) ** 2 / total for one in [*lengths, 0.0, 0.0][:2]]
    return places / (np.abs(places).max(axis=0) + 1e-12), shares


def _groups(factors: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a group for each item: k-means on directions, begun with items far from each other."""
    lengths = np.linalg.norm(factors, axis=1, keepdims=True)
    points = factors / np.where(lengths > 0, lengths, 1)
    if len(points) <= _GROUPS:
        return np.arange(len(points))
    chosen = [int(np.argmax(lengths))]
    while len(chosen) < _GROUPS:
        chosen.append(int(np.argmin((points @ points[chosen].T).max(axis=1))))
    centres = points[chosen]
    for _ in range(_ROUNDS):
        group = np.argmax(points @ centres.T, axis=1)
        sums = np.array([points[group == one].sum(axis=0) for one in range(_GROUPS)])
        centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return np.asarray(np.argmax(points @ centres.T, axis=1), np.int64)
