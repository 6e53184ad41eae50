"""Implicit alternating least squares at work."""

from __future__ import annotations

import time
from dataclasses import replace
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.model import AttributeWeights, Model
from palate.model.row_solve import RidgePenalty
from palate.ratings import Grouped, Ratings, RatingScale
from palate.solvers.feature_rows import FeatureRows, attribute_weights, feature_rows, row_target
from palate.solvers.half_step import HalfStep, padded_width, solve_confident_side
from palate.solvers.held_out_lists import HeldOutLists
from palate.solvers.implicit.search import FEW_RATINGS, choose_settings
from palate.solvers.implicit.settings import ImplicitALS
from palate.solvers.liked_pairs import require_choices
from palate.solvers.session import Checkpoint, Epoch, Session
from palate.solvers.warm_start import model_rows

__all__ = ["ImplicitFit"]

Floats = NDArray[np.float32]

# Divided by sqrt(k), so that the first scores have the same size for any number of factors. On real tables the penalty
# outweighs the first equations if it is smaller, and on sparse ones the first equations fit noise if it is larger.
_INITIAL_SPREAD = 0.2
# Rows go beyond the solution of their equations by this share of their step (successive over-relaxation). Below 1 a
# half-step cannot raise the objective, which is quadratic in the rows of one side. At 0.5 about half the sweeps reach
# the objective that all reach at 0 (MovieLens 100K and 1M, Jester, 1 and 10 million drawn ratings).
_BEYOND = 0.5
# A fit that goes on from a model makes at least this many sweeps.
_LEAST_WARM = 2


class ImplicitFit:
    """One fit. Its parameters are "users" and "items", float32 (rows, d): k factors and padding."""

    def __init__(self, solver: ImplicitALS, session: Session) -> None:
        self.solver, self.session, self.ratings = solver, session, session.ratings
        self.choices = self.chosen()
        # Confidences have the mean 1, so that the settings mean the same in any unit of the ratings.
        self.confidence_scale = 1 / self.mean_confidence() if solver.confidence else 0.0
        k, rng, width = solver.factors, np.random.default_rng([solver.seed, 1]), padded_width(solver.factors)
        self.users, self.items = self.prepare(width)
        self.parameters: dict[str, Floats] = {}
        for name, side in (("users", self.users), ("items", self.items)):
            rows = len(side.counts)
            self.parameters[name] = np.zeros((rows, width), np.float32)
            self.parameters[name][:, :k] = rng.normal(0, _INITIAL_SPREAD / sqrt(k), (rows, k))
        self.features = feature_rows(self.ratings, by_count=True)
        self.done = 0
        self.tried: dict[str, float] = {}

    def _with_confidence(self, table: Grouped) -> Grouped:
        """Return the table with confidences in place of the ratings."""
        scale = np.float32(self.confidence_scale)
        return table._replace(values=table.values * scale if self.solver.confidence else self.ones)

    def chosen(self) -> Ratings:
        """Return the rated pairs that are choices."""
        return require_choices(self.ratings, self.solver.liked)

    def mean_confidence(self) -> float:
        """Return the mean rating of the choices, where all are above zero."""
        _require_confidence(self.choices)
        return float(self.choices.rating.mean(dtype=np.float64))

    def prepare(self, width: int) -> tuple[HalfStep, HalfStep]:
        """Return both sides of the table, cut into ranges for equations of this width."""
        self.ones = np.ones(0 if self.solver.confidence else len(self.choices), np.float32)
        users, items = map(self._with_confidence, (self.choices.by_user, self.choices.by_item))
        return HalfStep.prepare(users, width), HalfStep.prepare(items, width)

    def go(self, resume: bool) -> Model:
        """Run the sweeps that remain; return the model."""
        loaded = self.session.checkpoint.load() if resume else None
        if loaded:
            self.parameters, state = loaded
            self.solver = replace(self.solver, **state["chosen"])
            self.tried = state["tried"]
            self.done, self.session.history = state["done"], [Epoch(**epoch) for epoch in state["history"]]
        elif self.session.start is not None:
            self._start_from(self.session.start)
        else:
            self.choose()
        while self.done < self.solver.sweeps and not self.session.interrupted():
            started = time.perf_counter()
            squares = self.sweep()
            self.session.report(
                Epoch(
                    stage="fit",
                    setting=f"λ = {self.solver.regularization:g}",
                    number=self.done,
                    of=self.solver.sweeps,
                    rows=len(self.choices),
                    training_rmse=sqrt(squares),
                    validation_rmse=None,
                    seconds=time.perf_counter() - started,
                )
            )
            self.session.checkpoint.save(self._state, now=self.session.interrupted())
        if 0 < self.done < self.solver.sweeps:  # interrupted: users have gone beyond the solution of their equations
            self.half(self.users, self.parameters["users"], self.parameters["items"], self.features[0])
        return self.model()

    def _start_from(self, model: Model) -> None:
        """Go on from a model: with its settings, for the last quarter of the sweeps."""
        chosen = {name: float(model.training[name]) for name in ("regularization", "unobserved")}
        self.solver = replace(self.solver, **chosen)  # type: ignore[arg-type]
        k, sweeps = self.solver.factors, self.solver.sweeps
        for name, ids in (("users", self.ratings.users), ("items", self.ratings.items)):
            known, factors, _ = model_rows(model, name, ids)
            self.parameters[name][known, :k] = factors
        self.done = sweeps - min(sweeps, max(_LEAST_WARM, ceil(sweeps / 4)))

    def _state(self) -> tuple[dict[str, NDArray[np.float32]], dict[str, Any]]:
        solver = self.solver
        chosen = {"regularization": solver.regularization, "unobserved": solver.unobserved}
        history = self.session.plain_history()
        return self.parameters, {"done": self.done, "chosen": chosen, "tried": self.tried, "history": history}

    def choose(self) -> None:
        """Choose the settings that are left open."""
        if self.solver.regularization is not None and self.solver.unobserved is not None:
            return
        # Attributes matter to rows without ratings, which no held-out list judges.
        plain = replace(self.ratings, user_features=None, item_features=None)
        lists = HeldOutLists.of(plain, self.solver.liked, seed=self.solver.seed) if len(plain) > 1 else None
        if lists is None or not len(lists.users):
            open_settings = {name: value for name, value in FEW_RATINGS.items() if getattr(self.solver, name) is None}
            self.solver = replace(self.solver, **open_settings)  # type: ignore[arg-type]
            return
        self.solver, self.tried = choose_settings(lists, self.solver, self.fit_pilot, self.session.run)

    def fit_pilot(self, solver: ImplicitALS, ratings: Ratings) -> Model:
        """Fit other settings to a part of the table, in the threads of this fit."""
        checkpoint = Checkpoint(None, solver, ratings)
        return ImplicitFit(solver, Session(ratings, self.session.run, None, checkpoint, self.session.interrupted)).go(
            False
        )

    def sweep(self) -> float:
        """Solve for the items, then for the users; return the mean squared error.

        The users come last, so that folding in a training user gives the same factors. The last sweep does not go
        beyond the solutions for the same reason, and the first does not because its step comes from random rows.
        """
        users, items = self.parameters["users"], self.parameters["items"]
        goes_beyond = 0 < self.done < self.solver.sweeps - 1
        for side, rows, other, features in (
            (self.items, items, users, self.features[1]),
            (self.users, users, items, self.features[0]),
        ):
            before = rows.copy() if goes_beyond else None
            squares = self.half(side, rows, other, features)
            if before is not None:
                self.go_beyond(rows, before)
        self.done += 1
        return squares

    def go_beyond(self, rows: Floats, before: Floats) -> None:
        """Move the rows of a side on, in place, by a share of the step that they have made."""
        rows += np.float32(_BEYOND) * (rows - before)

    def half(self, side: HalfStep, rows: Floats, other: Floats, features: FeatureRows | None = None) -> float:
        """Solve for the rows of one side, in place; return the mean of (1 - score)^2 over the rated pairs."""
        solver = self.solver
        assert solver.regularization is not None
        assert solver.unobserved is not None
        doubles = other.astype(np.float64)
        all_pairs = (solver.unobserved * (doubles.T @ doubles)).astype(np.float32)
        weights = side.counts + solver.unobserved * len(other)
        ridge = (solver.regularization * weights**solver.exponent).astype(np.float32)
        target = None if features is None else row_target(features, rows, solver.factors).rows
        linear = np.zeros_like(rows) if target is None else ridge[:, None] * target
        equations, errors = (other, all_pairs, ridge, linear), np.empty(len(rows))
        side.require_solved(solve_confident_side(self.session.run, side.ranges, side.table, equations, rows, errors))
        if target is not None:  # that nobody chose what nobody knew tells nothing
            rows[side.counts == 0] = target[side.counts == 0]
        return float(errors.sum() / side.table.values.sum(dtype=np.float64))

    def _attribute_weights(self, side: int, name: str) -> AttributeWeights | None:
        features, k = self.features[side], self.solver.factors
        if features is None:
            return None
        target = row_target(features, self.parameters[name], k)
        # A model has a bias beside the factors; here it is 0.
        weights, base = np.pad(target.weights, ((0, 0), (0, 1))), np.append(target.base, 0.0)
        return attribute_weights(features, weights, base=base)

    def model(self) -> Model:
        """Return the model that the sweeps have reached."""
        solver, ratings = self.solver, self.ratings
        assert solver.regularization is not None
        assert solver.unobserved is not None
        return Model(
            users=ratings.users,
            items=ratings.items,
            intercept=0.0,
            mean=self.choices.density,
            user_bias=np.zeros(len(ratings.users), np.float32),
            item_bias=np.zeros(len(ratings.items), np.float32),
            user_factors=np.ascontiguousarray(self.parameters["users"][:, : solver.factors]),
            item_factors=np.ascontiguousarray(self.parameters["items"][:, : solver.factors]),
            scale=RatingScale(0, 1),
            predicts="choice",
            seen=ratings.by_user,
            user_features=self._attribute_weights(0, "users"),
            item_features=self._attribute_weights(1, "items"),
            penalty=RidgePenalty(
                solver.regularization,
                None,
                by_count=True,
                unobserved=solver.unobserved,
                exponent=solver.exponent,
                confidence=self.confidence_scale,
                liked=solver.liked,
            ),
            training={
                "sweeps": self.done,
                "regularization": solver.regularization,
                "unobserved": solver.unobserved,
                "ndcg_of_settings": self.tried,
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
