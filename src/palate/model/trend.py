"""Trends: what the latest choices favour, and for whom this counts."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Trends"]

Floats = NDArray[np.float32]

# An item with no late choice has this number of them.
_HALF = 0.5


class Trends(NamedTuple):
    r"""How much the latest choices favour each item, and how active each user still is.

    A choice of the age a has the weight :math:`2^{-a/h}`, where h is the half-life, and ages count back from the last
    choice of the table. The trend of an item is the logarithm of its share of the weights over its share of the
    choices. The activity of a user is :math:`2^{-g/(s + h)}`, where g is the time since the user's last choice and s
    the time from the first choice to the last one: who chose during two years and was last seen a week ago will be
    back, and who chose for an hour, a year ago, will hardly be. What such a user would choose is what people chose
    then.

    Attributes
    ----------
    items
        float32, (items,): the trend.
    users
        float32, (users,): the activity, between 0 and 1; 0 for users without choices.
    """

    items: Floats
    users: Floats

    @classmethod
    def of(
        cls, user: NDArray[np.integer], item: NDArray[np.integer], time: NDArray[np.int64], sizes: tuple[int, int],
        half_life: float,
    ) -> Self:  # fmt: skip
        """Return the trends of choices.

        Parameters
        ----------
        user, item, time
            (n,): indices, and seconds since any moment.
        sizes
            The numbers of users and items.
        half_life
            In seconds, above 0.

        Examples
        --------
        >>> user, item, day = np.array([0, 0, 1]), np.array([0, 1, 1]), 86400
        >>> trends = Trends.of(user, item, np.array([0, day, 9 * day]), (2, 2), 7 * day)
        >>> bool(trends.items[1] > trends.items[0]), trends.users.round(2).tolist()
        (True, [0.5, 1.0])
        """
        users, items = sizes
        end = int(time.max(initial=0))
        weights = np.exp2(-(end - time) / half_life)
        recent, counts = np.bincount(item, weights, items), np.bincount(item, minlength=items)
        share = weights.sum() / max(1, len(time))
        trend = np.log((recent + _HALF) / (counts * share + _HALF))
        first, last = np.full(users, np.iinfo(np.int64).max), np.full(users, np.iinfo(np.int64).min)
        np.minimum.at(first, user, time)
        np.maximum.at(last, user, time)
        has_chosen = first <= last
        first[~has_chosen] = last[~has_chosen] = 0
        activity = np.exp2(-(end - last) / (last - first + half_life)) * has_chosen
        return cls(trend.astype(np.float32), activity.astype(np.float32))
