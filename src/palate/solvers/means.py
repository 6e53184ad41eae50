"""Baselines: models without factors, which every report shows beside the one in question."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from palate.model import Model
from palate.model.row_solve import RidgePenalty
from palate.ratings import Ratings
from palate.solvers.session import require_ratings

__all__ = ["BASELINES", "Means"]


@dataclass(frozen=True)
class Means:
    r"""The mean rating, moved by how far the user and the item lie off it on average.

    Minimizes :math:`\sum (r_{ui} - \mu - b_u - b_i)^2 + \lambda_u \sum b_u^2 + \lambda_i \sum b_i^2` by turns (Koren
    2010, "Factor in the neighbors", section 2.1). The penalties count like so many ratings that lie on the mean.

    Parameters
    ----------
    users, items
        Penalty of the user and of the item biases; None leaves these biases out.
    passes
        Turns, where both are in.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> ratings = make_ratings(users=20, items=10, ratings=100, seed=1)
    >>> model = Means(users=None, items=None).fit(ratings)
    >>> bool(abs(model.predict(1, 1) - ratings.rating.mean()) < 1e-5)
    True
    """

    users: float | None = 15.0
    items: float | None = 10.0
    passes: int = 10

    def fit(self, ratings: Ratings, *, threads: int | None = None) -> Model:
        """Fit the biases, on one thread whatever `threads` says: it takes no longer than a look at the table.

        Raises
        ------
        DataError
            If there are no ratings, or one of them is not finite.
        """
        ratings = require_ratings(ratings)
        mean = float(ratings.rating.mean(dtype=np.float64))
        residuals = ratings.rating - mean
        user_bias, item_bias = np.zeros(len(ratings.users)), np.zeros(len(ratings.items))
        for _ in range(self.passes if self.users is not None and self.items is not None else 1):
            if self.items is not None:
                item_bias = _shrunk_means(
                    ratings.item, ratings.item_counts, residuals - user_bias[ratings.user], self.items
                )
            if self.users is not None:
                user_bias = _shrunk_means(
                    ratings.user, ratings.user_counts, residuals - item_bias[ratings.item], self.users
                )
        return Model(
            users=ratings.users,
            items=ratings.items,
            intercept=mean,
            mean=mean,
            user_bias=user_bias.astype(np.float32),
            item_bias=item_bias.astype(np.float32),
            user_factors=np.zeros((len(user_bias), 0), np.float32),
            item_factors=np.zeros((len(item_bias), 0), np.float32),
            scale=ratings.scale,
            seen=ratings.by_user,
            penalty=RidgePenalty(1.0, self.users, by_count=False),
            solver={"name": "means", **asdict(self)},
        )


def _shrunk_means(
    index: NDArray[np.int32], counts: NDArray[np.int64], values: NDArray[np.float64], penalty: float
) -> NDArray[np.float64]:
    sums = np.bincount(index, values, minlength=len(counts))
    return np.asarray(sums / (counts + penalty))


BASELINES = {
    "global mean": Means(users=None, items=None),
    "item mean": Means(users=None, items=0.0),
    "user mean": Means(users=0.0, items=None),
    "bias only": Means(),
}
