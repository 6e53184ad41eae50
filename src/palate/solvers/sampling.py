"""Gibbs sampling at work: a chain whose samples are averaged into one model."""

from __future__ import annotations

import dataclasses
import time
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from palate.model import Model
from palate.solvers.gibbs import Chain, Parts
from palate.solvers.kept import Kept
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
        self.kept = Kept(table, solver.factors, solver.seed, session.run)

    def go(self, resume: bool) -> Model:
        """Run the sweeps that are still to be run; return the model."""
        chain, solver = self.chain, self.solver
        if resume:
            self._go_back()
        while chain.sweeps < solver.sweeps and not self.session.interrupted():
            started = time.perf_counter()
            chain.sweep()
            if chain.sweeps > int(solver.dropped * solver.sweeps):
                self.kept.add(chain)
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
        if not self.kept.count:
            self.kept.add(chain)
        return self._model()

    def _save(self) -> None:
        arrays, numbers = self.chain.state()
        kept, counts = self.kept.state()
        state = {"numbers": numbers, "counts": counts, "history": self.session.plain_history()}
        self.session.checkpoint.save(arrays | kept, state, now=self.session.interrupted())

    def _go_back(self) -> None:
        loaded = self.session.checkpoint.load()
        if loaded is None:
            return
        arrays, state = loaded
        self.kept.restore(arrays, state["counts"])
        self.session.history = [Epoch(**epoch) for epoch in state["history"]]
        self.chain.restore(arrays, state["numbers"])

    def _model(self) -> Model:
        sides, parts = self.kept.sides(), self.chain.parts
        posterior = self.kept.posterior(sides, (parts.user_sets, parts.item_sets), np.empty(0, np.float32))
        (user_factors, user_bias), (item_factors, item_bias) = sides
        spread, share = np.float32(self.spread), np.float32(sqrt(self.spread))
        return Model(
            users=self.ratings.users,
            items=self.ratings.items,
            intercept=self.center,
            mean=self.center,
            user_bias=user_bias[:-1] * spread,
            item_bias=item_bias[:-1] * spread,
            user_factors=user_factors[:-1] * share,
            item_factors=item_factors[:-1] * share,
            scale=self.ratings.scale,
            seen=self.ratings.by_user,
            posterior=posterior.rescaled(self.spread),
            solver={"name": "bayes", **dataclasses.asdict(self.solver)},
            training={
                "sweeps": self.chain.sweeps,
                "rank": user_factors.shape[1],
                "interrupted": self.session.interrupted(),
                "notes": list(self.ratings.notes),
                "history": self.session.plain_history(),
            },
        )
