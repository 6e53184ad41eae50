"""Gibbs sampling at work: a chain whose samples are averaged into one model."""

from __future__ import annotations

import dataclasses
import time
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from palate.model import Model
from palate.profiles import Penalty
from palate.solvers.average import Average
from palate.solvers.gibbs import Chain, Parts
from palate.solvers.training import Epoch, Session

if TYPE_CHECKING:
    from palate.solvers.bayes import BayesianMF

__all__ = ["Sampling"]


class Sampling:
    """One fit."""

    def __init__(self, solver: BayesianMF, session: Session) -> None:
        self.solver, self.session, self.ratings = solver, session, session.ratings
        ratings = session.ratings
        self.center = float(ratings.rating.mean(dtype=np.float64))
        self.spread = float(ratings.rating.std(dtype=np.float64)) or 1.0
        scaled = (ratings.rating - np.float32(self.center)) * np.float32(1 / self.spread)
        table = dataclasses.replace(ratings, rating=scaled)
        parts = Parts(*(getattr(solver, name) for name in Parts._fields))
        self.chain = Chain(table.by_user, table.by_item, solver.factors, parts, solver.seed, session.run)
        self.average = Average(len(ratings.users), len(ratings.items), solver.factors)

    def go(self, resume: bool) -> Model:
        """Run the sweeps that are still to be run; return the model."""
        chain, average, solver = self.chain, self.average, self.solver
        if resume:
            self._go_back()
        while chain.sweeps < solver.sweeps and not self.session.interrupted():
            started = time.perf_counter()
            chain.sweep()
            if chain.sweeps > int(solver.dropped * solver.sweeps):
                average.add(chain.users.factors, chain.items.factors)
            self.session.report(
                Epoch(
                    stage="fit",
                    setting=chain.parts.describe(),
                    number=chain.sweeps,
                    of=solver.sweeps,
                    rows=len(self.ratings),
                    training_rmse=self.spread * sqrt(chain.squares / len(self.ratings)),
                    validation_rmse=None,
                    seconds=time.perf_counter() - started,
                )
            )
            self._save()
        if not average.count:
            average.add(chain.users.factors, chain.items.factors)
        return self._model()

    def _save(self) -> None:
        arrays, numbers = self.chain.state()
        arrays |= {f"average.{name}": getattr(self.average, name) for name in Average.ARRAYS}
        state = {"numbers": numbers, "count": self.average.count, "history": self.session.plain_history()}
        self.session.checkpoint.save(arrays, state, now=self.session.interrupted())

    def _go_back(self) -> None:
        loaded = self.session.checkpoint.load()
        if loaded is None:
            return
        arrays, state = loaded
        for name in Average.ARRAYS:
            setattr(self.average, name, arrays.pop(f"average.{name}"))
        self.average.count = state["count"]
        self.session.history = [Epoch(**epoch) for epoch in state["history"]]
        self.chain.restore(arrays, state["numbers"])

    def _model(self) -> Model:
        user_factors, item_factors, user_bias, item_bias = self.average.mean()
        spread, share = np.float32(self.spread), np.float32(sqrt(self.spread))
        # A new user's factors vary like those of the others around zero, against noise of the size found. On the rating
        # scale the ratio of noise to factors gains one spread, as products of factors do; that to biases none.
        noise = 1 / self.chain.precision
        variance = float(np.square(user_factors).mean()) if user_factors.size else 0.0
        bias_variance = float(np.square(user_bias).mean())
        return Model(
            users=self.ratings.users,
            items=self.ratings.items,
            intercept=self.center,
            mean=self.center,
            user_bias=user_bias * spread,
            item_bias=item_bias * spread,
            user_factors=user_factors * share,
            item_factors=item_factors * share,
            scale=self.ratings.scale,
            seen=self.ratings.by_user,
            penalty=Penalty(
                self.spread * noise / max(variance, 1e-9), noise / max(bias_variance, 1e-9), by_count=False
            ),
            solver={"name": "bayes", **dataclasses.asdict(self.solver)},
            training={
                "sweeps": self.chain.sweeps,
                "rank": user_factors.shape[1],
                "interrupted": self.session.interrupted(),
                "notes": list(self.ratings.notes),
                "history": self.session.plain_history(),
            },
        )
