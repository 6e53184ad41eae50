"""Why rows are recommended: the user's own ratings that speak most for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from palate.model import Contribution, Model, Profile
from palate.model.lookup import profile_of
from palate.service.deadline import until_deadline

__all__ = ["contribution", "reasons"]

Id = int | str
#: Contributions that are computed at once, between two looks at the deadline: 8 MiB.
_AT_ONCE = 1 << 20


def reasons(model: Model, user: Id | Profile, items: Sequence[Id], n: int) -> Iterator[dict[str, Any]]:
    """Yield the reasons for each item: `because` and, where the model has a choice head beside ratings, `choices`.

    Parameters
    ----------
    model
        The model.
    user
        An id, or a profile.
    items
        The recommended items.
    n
        The largest number of reasons of each kind.

    Raises
    ------
    DeadlineError
        If the time of the request is over.
    """
    profile = profile_of(model, user)
    rows = max(1, _AT_ONCE // max(1, len(profile.items)))
    for start in until_deadline(range(0, len(items), rows)):
        chunk = items[start : start + rows]
        because = [[contribution(part) for part in parts] for parts in model.reasons(user, chunk, n)]
        for parts, choices in zip(because, _choices(model, profile, chunk, n), strict=True):
            yield {"because": parts} if choices is None else {"because": parts, "choices": choices}


def _choices(model: Model, profile: Profile, items: Sequence[Id], n: int) -> list[list[dict[str, Any]] | None]:
    """Return, for each item, the rated items whose choice speaks most for the choice of this one."""
    if model.choice_head is None or model.predicts != "rating":
        return [None] * len(items)
    parts, _ = model.choice_head.contributions(profile.items, profile.ratings, model.items.index(list(items)))
    best = np.argsort(-parts, axis=1, kind="stable")[:, :n]
    rated = {}
    for place in np.unique(best).tolist():
        id = model.items[int(profile.items[place])]
        rated[place] = {"item": id, "title": model.catalogue.title(id), "rating": float(profile.ratings[place])}
    return [
        [{**rated[place], "contribution": float(row[place])} for place in places if row[place] > 0]
        for row, places in zip(parts, best.tolist(), strict=True)
    ]


def contribution(part: Contribution) -> dict[str, Any]:
    """Return a contribution as plain values."""
    return {"item": part.item, "title": part.title, "rating": part.rating, "contribution": part.contribution}
