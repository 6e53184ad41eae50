"""EASE at work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from palate.errors import DataError
from palate.model import Model
from palate.ratings import RatingScale
from palate.solvers.ease.search import choose_regularization
from palate.solvers.ease.weights import fit_ease
from palate.solvers.held_out_lists import HeldOutLists
from palate.solvers.session import Session

if TYPE_CHECKING:
    from palate.solvers.ease.settings import EASE

__all__ = ["EASEFit"]


class EASEFit:
    """One fit."""

    def __init__(self, solver: EASE, session: Session) -> None:
        self.solver, self.session, self.ratings = solver, session, session.ratings
        if solver.liked is not None and not (self.ratings.rating >= np.float32(solver.liked)).any():
            raise DataError(f"no rating is at least {solver.liked:g}, so there are no choices: lower liked (--liked)")

    def go(self, resume: bool) -> Model:
        """Choose the regularization if it is not given, and fit; there is nothing to resume.

        Returns
        -------
        Model
            Its `choice` holds the weights; it has no factors.
        """
        solver, tried = self.solver, dict[float, float]()
        if solver.regularization is None:
            lists = HeldOutLists.of(self.ratings, solver.liked, seed=solver.seed)
            regularization, tried = choose_regularization(lists, solver, self.session.run)
            solver = replace(solver, regularization=regularization)
        head, ratings = fit_ease(self.ratings, solver, self.session.run), self.ratings
        users, items = len(ratings.users), len(ratings.items)
        return Model(
            users=ratings.users,
            items=ratings.items,
            intercept=0.0,
            mean=ratings.density,
            user_bias=np.zeros(users, np.float32),
            item_bias=np.zeros(items, np.float32),
            user_factors=np.zeros((users, 0), np.float32),
            item_factors=np.zeros((items, 0), np.float32),
            scale=RatingScale(0, 1),
            seen=ratings.by_user,
            predicts="choice",
            choice=head,
            solver=self.solver.record(),
            training={
                "regularization": solver.regularization,
                "tried": [{"regularization": value, "ndcg@10": ndcg} for value, ndcg in tried.items()],
                "weights": len(head.weights),
                "interrupted": self.session.interrupted(),
                "notes": [*ratings.notes, "scores say how likely an item is to be chosen: they are not ratings"],
                "history": [],
            },
        )
