"""Implicit alternating least squares at work."""

from __future__ import annotations

import time
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.kernels.rows import solve_confident_rows
from palate.model import Model
from palate.model.row_solve import RidgePenalty
from palate.ratings import Ratings, RatingScale
from palate.solvers.half_step import HalfStep, padded_width
from palate.solvers.implicit.settings import ImplicitALS
from palate.solvers.session import Epoch, Session

__all__ = ["ImplicitFit"]

Floats = NDArray[np.float32]

# Divided by sqrt(k), so that the first scores have the same size for any number of factors.
_INITIAL_SPREAD = 0.1


class ImplicitFit:
    """One fit. Its parameters are "users" and "items", float32 (rows, d): k factors and padding."""

    def __init__(self, solver: ImplicitALS, session: Session) -> None:
        self.solver, self.session, self.ratings = solver, session, session.ratings
        # Confidences have the mean 1, so that the settings mean the same in any unit of the ratings.
        self.confidence_scale = 1 / self.mean_confidence() if solver.confidence else 0.0
        k, rng, width = solver.factors, np.random.default_rng([solver.seed, 1]), padded_width(solver.factors)
        self.users, self.items = self.prepare(width)
        self.parameters: dict[str, Floats] = {}
        for name, side in (("users", self.users), ("items", self.items)):
            rows = len(side.counts)
            self.parameters[name] = np.zeros((rows, width), np.float32)
            self.parameters[name][:, :k] = rng.normal(0, _INITIAL_SPREAD / sqrt(k), (rows, k))
        self.done = 0

    def mean_confidence(self) -> float:
        """Return the mean rating, where all are above zero."""
        _require_confidence(self.ratings)
        return float(self.ratings.rating.mean(dtype=np.float64))

    def prepare(self, width: int) -> tuple[HalfStep, HalfStep]:
        """Return both sides of the table, cut into ranges for equations of this width."""
        return HalfStep.prepare(self.ratings.by_user, width), HalfStep.prepare(self.ratings.by_item, width)

    def go(self, resume: bool) -> Model:
        """Run the sweeps that remain; return the model."""
        loaded = self.session.checkpoint.load() if resume else None
        if loaded:
            self.parameters, state = loaded
            self.done, self.session.history = state["done"], [Epoch(**epoch) for epoch in state["history"]]
        while self.done < self.solver.sweeps and not self.session.interrupted():
            started = time.perf_counter()
            squares = self.sweep()
            self.session.report(
                Epoch(
                    stage="fit",
                    setting=f"λ = {self.solver.regularization:g}",
                    number=self.done,
                    of=self.solver.sweeps,
                    rows=len(self.ratings),
                    training_rmse=sqrt(squares),
                    validation_rmse=None,
                    seconds=time.perf_counter() - started,
                )
            )
            self.session.checkpoint.save(self._state, now=self.session.interrupted())
        return self.model()

    def _state(self) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
        return self.parameters, {"done": self.done, "history": self.session.plain_history()}

    def sweep(self) -> float:
        """Solve for the items, then for the users; return the mean squared error.

        The users come last, so that folding in a training user gives the same factors.
        """
        users, items = self.parameters["users"], self.parameters["items"]
        self.half(self.items, items, users)
        self.done += 1
        return self.half(self.users, users, items)

    def half(self, side: HalfStep, rows: Floats, other: Floats) -> float:
        """Solve for the rows of one side, in place; return the mean of (1 - score)^2 over the rated pairs."""
        solver, (indptr, indices, values) = self.solver, side.table
        doubles = other.astype(np.float64)
        all_pairs = (solver.unobserved * (doubles.T @ doubles)).astype(np.float32)
        weights = side.counts + solver.unobserved * len(other)
        ridge = (solver.regularization * weights**solver.exponent).astype(np.float32)
        confidence = values * np.float32(self.confidence_scale) if self.confidence_scale else np.ones_like(values)
        equations, errors = (indptr, indices, confidence, other, all_pairs, ridge), np.empty(len(rows))
        side.solve(self.session.run, lambda bounds: int(solve_confident_rows(*equations, *bounds, rows, errors)))
        return float(errors.sum() / confidence.sum(dtype=np.float64))

    def model(self) -> Model:
        """Return the model that the sweeps have reached."""
        solver, ratings = self.solver, self.ratings
        return Model(
            users=ratings.users,
            items=ratings.items,
            intercept=0.0,
            mean=ratings.density,
            user_bias=np.zeros(len(ratings.users), np.float32),
            item_bias=np.zeros(len(ratings.items), np.float32),
            user_factors=np.ascontiguousarray(self.parameters["users"][:, : solver.factors]),
            item_factors=np.ascontiguousarray(self.parameters["items"][:, : solver.factors]),
            scale=RatingScale(0, 1),
            predicts="choice",
            seen=ratings.by_user,
            penalty=RidgePenalty(
                solver.regularization,
                None,
                by_count=True,
                unobserved=solver.unobserved,
                exponent=solver.exponent,
                confidence=self.confidence_scale,
            ),
            training={
                "sweeps": self.done,
                "interrupted": self.session.interrupted(),
                "notes": [*ratings.notes, "scores say how likely an item is to be chosen: they are not ratings"],
                "history": self.session.plain_history(),
            },
        )


def _require_confidence(ratings: Ratings) -> None:
    """Refuse ratings at or below zero where ratings are confidences."""
    wrong = np.flatnonzero(ratings.rating <= 0)
    if len(wrong):
        user, item = ratings.users[ratings.user[wrong[0]]], ratings.items[ratings.item[wrong[0]]]
        raise DataError(
            f"{len(wrong):,} of {len(ratings):,} ratings are no confidence above zero, such as "
            f"{ratings.rating[wrong[0]]:g} of user {user!r} for item {item!r}: leave them out, or set no confidence"
        )
