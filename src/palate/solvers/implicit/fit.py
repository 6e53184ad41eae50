"""Implicit alternating least squares at work."""

from __future__ import annotations

import time
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.kernels.rows import solve_confident_rows
from palate.model import Model
from palate.model.row_solve import RidgePenalty
from palate.ratings import Ratings, RatingScale
from palate.solvers.half_step import Side, padded
from palate.solvers.session import Epoch, Session

if TYPE_CHECKING:
    from palate.solvers.implicit import ImplicitALS

__all__ = ["ImplicitFit"]

Floats = NDArray[np.float32]

# Scores are of the size of one whatever the number of factors.
_INITIAL_SPREAD = 0.1


class ImplicitFit:
    """One fit."""

    def __init__(self, solver: ImplicitALS, session: Session) -> None:
        self.solver, self.session, self.ratings = solver, session, session.ratings
        _require_confidence(solver, self.ratings)
        # Confidences have the mean 1, so that the settings mean the same whatever ratings count.
        self.share = 1 / float(self.ratings.rating.mean(dtype=np.float64)) if solver.confidence else 0.0
        rng, width = np.random.default_rng([solver.seed, 1]), padded(solver.factors)
        self.users, self.items = Side.of(self.ratings.by_user, width), Side.of(self.ratings.by_item, width)
        self.at: dict[str, Floats] = {}
        for name, side in (("users", self.users), ("items", self.items)):
            self.at[name] = np.zeros((len(side.counts), width), np.float32)
            first = rng.normal(0, _INITIAL_SPREAD / sqrt(solver.factors), (len(side.counts), solver.factors))
            self.at[name][:, : solver.factors] = first
        self.done = 0

    def go(self, resume: bool) -> Model:
        """Run the sweeps that are still to be run; return the model."""
        loaded = self.session.checkpoint.load() if resume else None
        if loaded:
            self.at, state = loaded
            self.done, self.session.history = state["done"], [Epoch(**epoch) for epoch in state["history"]]
        while self.done < self.solver.sweeps and not self.session.interrupted():
            started = time.perf_counter()
            errors = self.sweep()
            self.session.report(
                Epoch(
                    stage="fit",
                    setting=f"λ = {self.solver.regularization:g}",
                    number=self.done,
                    of=self.solver.sweeps,
                    rows=len(self.ratings),
                    training_rmse=sqrt(errors),
                    validation_rmse=None,
                    seconds=time.perf_counter() - started,
                )
            )
            self.session.checkpoint.save(self._state, now=self.session.interrupted())
        return self._model()

    def _state(self) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
        return self.at, {"done": self.done, "history": self.session.plain_history()}

    def sweep(self) -> float:
        """Solve for the items, then for the users, who so are what a fold-in finds; return their mean squared error."""
        self.half(self.items, self.at["items"], self.at["users"])
        self.done += 1
        return self.half(self.users, self.at["users"], self.at["items"])

    def half(self, side: Side, mine: Floats, other: Floats) -> float:
        """Solve for one side, in place; return how far the scores of rated pairs lie from 1: the mean square."""
        solver, (indptr, indices, values) = self.solver, side.table
        doubles = other.astype(np.float64)
        everything = (solver.unobserved * (doubles.T @ doubles)).astype(np.float32)
        weights = side.counts + solver.unobserved * len(other)
        ridge = (solver.regularization * weights**solver.exponent).astype(np.float32)
        confidence = values * np.float32(self.share) if self.share else np.ones_like(values)
        given = indptr, indices, confidence, other, everything, ridge
        errors = np.empty(len(mine))
        side.solve(self.session.run, lambda part: int(solve_confident_rows(*given, *part, mine, errors)))
        return float(errors.sum() / confidence.sum(dtype=np.float64))

    def _model(self) -> Model:
        solver, ratings = self.solver, self.ratings
        return Model(
            users=ratings.users,
            items=ratings.items,
            intercept=0.0,
            mean=ratings.density,
            user_bias=np.zeros(len(ratings.users), np.float32),
            item_bias=np.zeros(len(ratings.items), np.float32),
            user_factors=np.ascontiguousarray(self.at["users"][:, : solver.factors]),
            item_factors=np.ascontiguousarray(self.at["items"][:, : solver.factors]),
            scale=RatingScale(0, 1),
            predicts="choice",
            seen=ratings.by_user,
            penalty=RidgePenalty(
                solver.regularization,
                None,
                by_count=True,
                unobserved=solver.unobserved,
                exponent=solver.exponent,
                confidence=self.share,
            ),
            solver=solver.record(),
            training={
                "sweeps": self.done,
                "interrupted": self.session.interrupted(),
                "notes": [*ratings.notes, "scores say how likely an item is to be chosen: they are not ratings"],
                "history": self.session.plain_history(),
            },
        )


def _require_confidence(solver: ImplicitALS, ratings: Ratings) -> None:
    wrong = np.flatnonzero(ratings.rating <= 0)
    if solver.confidence and len(wrong):
        user, item = ratings.users[ratings.user[wrong[0]]], ratings.items[ratings.item[wrong[0]]]
        raise DataError(
            f"{len(wrong):,} of {len(ratings):,} ratings are no confidence above zero, such as "
            f"{ratings.rating[wrong[0]]:g} of user {user!r} for item {item!r}: leave them out, or set no confidence"
        )
