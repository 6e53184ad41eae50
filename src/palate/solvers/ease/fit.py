"""EASE at work: the regularization is chosen, then the closed form gives the weights."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from palate.model import Model
from palate.model.choice import WeightsHead
from palate.ratings import Ratings, RatingScale
from palate.solvers.ease.search import choose_regularization
from palate.solvers.ease.settings import EASE
from palate.solvers.ease.weights import fit_ease
from palate.solvers.held_out_lists import HeldOutLists
from palate.solvers.liked_pairs import choices_of, require_choices
from palate.solvers.session import Epoch, Session

__all__ = ["EASEFit"]

# The regularization where nothing can be held out.
_FEW_RATINGS = 300.0
# The training error is measured on the choices of this number of users.
_USERS = 1000


class EASEFit:
    """One fit. The closed form is one step, so there is no checkpoint: a fit that was interrupted starts again."""

    def __init__(self, solver: EASE, session: Session) -> None:
        self.solver, self.session, self.ratings = solver, session, session.ratings
        require_choices(self.ratings, solver.liked)

    def go(self, resume: bool) -> Model:
        """Fit the weights between items; return the model."""
        started, solver, tried = time.perf_counter(), self.solver, dict[float, float]()
        if solver.regularization is None:
            regularization, tried = _FEW_RATINGS, {}
            if self.session.start is not None:
                regularization = float(self.session.start.training["regularization"])
            elif len(self.ratings) > 1:
                lists = HeldOutLists.of(self.ratings, solver.liked, seed=solver.seed)
                regularization, tried = choose_regularization(lists, solver, self.session.run)
            solver = replace(solver, regularization=regularization)
        head = fit_ease(self.ratings, solver, self.session.run)
        self.session.report(
            Epoch(
                stage="fit",
                setting=f"λ = {solver.regularization:g}",
                number=1,
                of=1,
                rows=len(choices_of(self.ratings, solver.liked)),
                training_rmse=_training_error(head, self.ratings),
                validation_rmse=None,
                seconds=time.perf_counter() - started,
            )
        )
        return self._model(head, solver, tried)

    def _model(self, head: WeightsHead, solver: EASE, tried: dict[float, float]) -> Model:
        ratings, users, items = self.ratings, len(self.ratings.users), len(self.ratings.items)
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
            training={
                "regularization": solver.regularization,
                "ndcg_of_regularizations": {f"{value:g}": ndcg for value, ndcg in tried.items()},
                "interrupted": self.session.interrupted(),
                "notes": [*ratings.notes, "scores say how likely an item is to be chosen: they are not ratings"],
                "history": self.session.plain_history(),
            },
        )


def _training_error(head: WeightsHead, ratings: Ratings) -> float:
    """Return how far the scores of choices are from 1: the root of the mean square, over some users."""
    choices = choices_of(ratings, head.liked).by_user
    total, count = 0.0, 0
    for user in range(min(_USERS, len(choices.indptr) - 1)):
        items, values = choices[user]
        misses = 1 - head.new_user_scores(items, values)[items].astype(np.float64)
        total, count = total + float(misses @ misses), count + len(items)
    return float(np.sqrt(total / max(1, count)))
