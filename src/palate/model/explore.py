"""A share of every list for items that hardly anybody has rated, so that they can become known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.model.arrays import Floats, ModelArrays

__all__ = ["check_explore", "explored_places", "explored_seed", "insert_explored", "little_known"]

# Items with fewer ratings than this are little known.
_FEW = 5


class RankItems(Protocol):
    """Returns the indices of the best n of some items, and their scores."""

    def __call__(self, count: int, some: NDArray[np.bool_], *, draws: bool) -> tuple[NDArray[np.integer], Floats]: ...


def check_explore(explore: float, *, lowest: bool) -> None:
    """Refuse a share that is none, or that is of a list of the lowest items.

    Raises
    ------
    SettingsError
        If it is not from 0 to 1, or there is no such list.
    """
    is_number = isinstance(explore, (int, float, np.integer, np.floating)) and not isinstance(explore, bool)
    if not is_number or not 0 <= explore <= 1:
        raise SettingsError(f"the share for exploration lies from 0 to 1, such as 0.1, not {explore!r}")
    if explore and lowest:
        raise SettingsError("a share for exploration goes with the best items, not with the lowest")


def explored_seed(seed: int | None, user: int) -> Sequence[int] | None:
    """Return the seed of a user's draws, so that not all users of a batch are given the same items; None for none.

    `user` is the index of a user, -1 for somebody new.
    """
    return None if seed is None else (int(seed), user + 1)


def explored_places(n: int, explore: float) -> NDArray[np.int64]:
    """Return which places of a list of n are for little known items: at least one, the last of even stretches.

    Examples
    --------
    >>> explored_places(10, 0.2)
    array([4, 9])
    """
    count = min(n, max(1, round(n * explore))) if explore else 0
    return np.arange(1, count + 1) * n // max(1, count) - 1


def little_known(model: ModelArrays, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Return which items have hardly any ratings: bool, (items,)."""
    few = model.item_counts < _FEW
    return few if allowed is None else few & allowed


def insert_explored(
    rank: RankItems, n: int, explore: float, known: NDArray[np.bool_], few: NDArray[np.bool_]
) -> tuple[NDArray[np.integer], Floats]:
    """Rank a list of n with a share of little known items; where these run out, known ones take their place.

    Parameters
    ----------
    rank
        Ranks the items of a mask. With `draws` they are ranked by a draw from what the prediction may be, so that an
        item of which little is known gets its chance; the scores are those of the list all the same.
    n, explore
        The length of the list, and the share.
    known, few
        bool (items,): the items to choose from.
    """
    places = explored_places(n, explore)
    fresh, fresh_scores = rank(len(places), few, draws=True)
    items, scores = rank(n - len(fresh), known, draws=False)
    places = places[: len(fresh)] if len(items) + len(fresh) == n else np.arange(len(fresh)) + len(items)
    order = np.argsort(
        np.concatenate([np.setdiff1d(np.arange(len(items) + len(fresh)), places), places]), kind="stable"
    )
    return np.concatenate([items, fresh])[order], np.concatenate([scores, fresh_scores])[order]
