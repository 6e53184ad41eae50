"""Searching items by words."""

from __future__ import annotations

import unicodedata
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from cachetools import cached
from numpy.typing import NDArray

from palate.errors import UnknownIdError
from palate.service.loaded_model import LoadedModel

__all__ = ["describe", "page", "position"]


def _fold(text: str) -> str:
    """Return a text without case and accents."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(one for one in plain if not unicodedata.combining(one)) if not plain.isascii() else plain


@cached(WeakKeyDictionary[LoadedModel, list[str]](), key=lambda loaded: loaded)
def _searched_texts(loaded: LoadedModel) -> list[str]:
    entries = [loaded.entry(id) for id in loaded.ids]
    return [_fold(f"{id}\n{entry.title}\n{entry.text}") for id, entry in zip(loaded.ids, entries, strict=True)]


def page(loaded: LoadedModel, query: str, n: int, offset: int) -> dict[str, Any]:
    """Return a page of the items that contain all words of the query, the most rated first."""
    words, matches = _fold(query).split(), _by_rating_count(loaded).tolist()
    if words:
        texts = _searched_texts(loaded)
        matches = [index for index in matches if all(word in texts[index] for word in words)]
    items = [describe(loaded, index) for index in matches[offset : offset + n]]
    return {"total": len(matches), "offset": offset, "items": items}


def _by_rating_count(loaded: LoadedModel) -> NDArray[np.int64]:
    counts = np.zeros(len(loaded.ids), np.int64)
    counts[: len(loaded.model.items)] = loaded.model.item_counts
    return np.argsort(-counts, kind="stable")


def position(loaded: LoadedModel, item: str) -> int:
    """Return the position of an item in `LoadedModel.ids`.

    Raises
    ------
    UnknownIdError
        If the item is neither rated nor in the catalogue.
    """
    model = loaded.model
    index = model.items.find(item)
    if index >= 0:
        return index
    if model.catalogue.get(item) is None:
        return model.items.require(item)
    for unrated in range(len(model.items), len(loaded.ids)):
        if str(loaded.ids[unrated]) == item:
            return unrated
    raise UnknownIdError(f"item {item!r} is unknown")


def describe(loaded: LoadedModel, index: int) -> dict[str, Any]:
    """Return what is known of the item at a position in `LoadedModel.ids`."""
    model, id = loaded.model, loaded.ids[index]
    has_score = index < len(model.items)
    count = int(model.item_counts[index]) if has_score else 0
    return {
        "item": id,
        "title": model.catalogue.title(id),
        "text": loaded.entry(id).text,
        "ratings": count,
        "mean": float(loaded.means[index]) if count else None,
        "has_score": has_score,
    }
