"""Baselines: models without factors, which every report shows beside the model in question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.model import Model
from palate.model.row_solve import RidgePenalty
from palate.solvers.session import Session
from palate.solvers.settings import setting
from palate.solvers.solver import Solver

__all__ = ["BASELINES", "Means", "MeansFit"]


@dataclass(frozen=True)
class Means(Solver):
    r"""The mean rating plus user and item biases.

    Minimizes :math:`\sum (r_{ui} - \mu - b_u - b_i)^2 + \lambda_u \sum b_u^2 + \lambda_i \sum b_i^2` by turns (Koren
    2010, "Factor in the neighbors", section 2.1). A penalty has the effect of that many additional ratings at the mean.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> ratings = make_ratings(users=20, items=10, ratings=100, seed=1)
    >>> model = Means(users=None, items=None).fit(ratings)
    >>> bool(abs(model.predict(1, 1) - ratings.rating.mean()) < 1e-5)
    True
    """

    name = "means"
    summary = "means of users and items, without factors"
    runs = "palate.solvers.means:MeansFit"

    users: float | None = setting(15.0, "penalty of the user biases", least=0, none="no user biases")
    items: float | None = setting(10.0, "penalty of the item biases", least=0, none="no item biases")
    passes: int = setting(10, "turns, where there are both", least=1)


class MeansFit:
    """One fit, on one thread and without progress: it takes about as long as reading the table once."""

    def __init__(self, solver: Means, session: Session) -> None:
        self.solver, self.ratings = solver, session.ratings

    def go(self, resume: bool) -> Model:
        """Fit the biases; there is no checkpoint."""
        solver, ratings = self.solver, self.ratings
        mean = float(ratings.rating.mean(dtype=np.float64))
        residuals = ratings.rating - mean
        user_bias, item_bias = np.zeros(len(ratings.users)), np.zeros(len(ratings.items))
        for _ in range(solver.passes if solver.users is not None and solver.items is not None else 1):
            if solver.items is not None:
                item_residuals = residuals - user_bias[ratings.user]
                item_bias = _shrunk_means(ratings.item, ratings.item_counts, item_residuals, solver.items)
            if solver.users is not None:
                user_residuals = residuals - item_bias[ratings.item]
                user_bias = _shrunk_means(ratings.user, ratings.user_counts, user_residuals, solver.users)
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
            penalty=RidgePenalty(1.0, solver.users, by_count=False),
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
