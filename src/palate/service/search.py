"""Finding items by their words."""

from __future__ import annotations

import unicodedata
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import UnknownIdError
from palate.service.loaded_model import LoadedModel

__all__ = ["described", "page", "position"]

_haystacks: weakref.WeakKeyDictionary[LoadedModel, list[str]] = weakref.WeakKeyDictionary()


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(one for one in plain if not unicodedata.combining(one)) if not plain.isascii() else plain


def _haystack(edition: LoadedModel) -> list[str]:
    found = _haystacks.get(edition)
    if found is None:
        entries = [edition.entry(id) for id in edition.ids]
        found = [_folded(f"{id}\n{one.title}\n{one.text}") for id, one in zip(edition.ids, entries, strict=True)]
        _haystacks[edition] = found
    return found


def page(edition: LoadedModel, words: str, n: int, offset: int) -> dict[str, Any]:
    """Return some of the items that hold all the words, the most rated first."""
    wanted, order = _folded(words).split(), _by_ratings(edition)
    texts = _haystack(edition) if wanted else []
    found = [at for at in order.tolist() if all(word in texts[at] for word in wanted)] if wanted else order.tolist()
    shown = [described(edition, at) for at in found[offset : offset + n]]
    return {"total": len(found), "offset": offset, "items": shown}


def _by_ratings(edition: LoadedModel) -> NDArray[np.int64]:
    counts = np.zeros(len(edition.ids), np.int64)
    counts[: len(edition.model.items)] = edition.model.item_counts
    return np.argsort(-counts, kind="stable")


def position(edition: LoadedModel, item: str) -> int:
    """Return where an item is in `LoadedModel.ids`.

    Raises
    ------
    UnknownIdError
        If it is neither rated nor in the catalogue.
    """
    model = edition.model
    index = model.items.find(item)
    if index >= 0:
        return index
    if model.catalogue.get(item) is None:
        return model.items.require(item)
    for at in range(len(model.items), len(edition.ids)):
        if str(edition.ids[at]) == item:
            return at
    raise UnknownIdError(f"item {item!r} is unknown")


def described(edition: LoadedModel, at: int) -> dict[str, Any]:
    """Return what is known of one item."""
    model, id = edition.model, edition.ids[at]
    rated = at < len(model.items)
    count = int(model.item_counts[at]) if rated else 0
    return {
        "item": id,
        "title": model.catalogue.title(id),
        "text": edition.entry(id).text,
        "ratings": count,
        "mean": float(edition.means[at]) if count else None,
        "has_score": rated,
    }
