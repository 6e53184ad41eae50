"""Why rows are recommended: the user's own ratings that speak most for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from palate.model import Contribution, Model, Profile
from palate.model.explain import reasons_of_both
from palate.model.lookup import profile_of
from palate.service.deadline import until_deadline

__all__ = ["contribution", "reasons"]

Id = int | str
#: Contributions that are computed at once, between two looks at the deadline: 512 KiB.
_AT_ONCE = 1 << 16


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
    rows = max(1, _AT_ONCE // max(1, len(profile_of(model, user).items)))
    for start in until_deadline(range(0, len(items), rows)):
        ratings, choices = reasons_of_both(model, user, items[start : start + rows], n)
        for place, parts in enumerate(ratings):
            row = {"because": [contribution(part) for part in parts]}
            if choices is not None:
                row["choices"] = [contribution(part) for part in choices[place]]
            yield row


def contribution(part: Contribution) -> dict[str, Any]:
    """Return a contribution as plain values."""
    return part._asdict()
