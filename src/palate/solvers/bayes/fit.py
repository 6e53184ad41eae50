"""Gibbs sampling at work: a chain whose samples are averaged into one model."""

from __future__ import annotations

import time
from math import ceil, inf, isfinite, sqrt
from typing import Any

import numpy as np

from palate.model import Model
from palate.parallel import single_blas
from palate.solvers.bayes.accumulator import Kept
from palate.solvers.bayes.chain import Chain, Parts
from palate.solvers.bayes.diagnostics import Trace
from palate.solvers.bayes.part_selection import Choice, choose_parts
from palate.solvers.bayes.predictive_spread import BLOCK
from palate.solvers.bayes.settings import BayesianMF
from palate.solvers.half_step import center_and_spread, standardized
from palate.solvers.session import Epoch, Session

__all__ = ["GibbsFit"]

# How many sweeps there are at least and at most where nobody says, and what share of the RMSE may be lost by stopping.
_LEAST, _MOST, _LOST = 300, 1000, 0.0015
# Fewer sweeps tell nothing of how a chain moves.
_TRACEABLE = 20


class GibbsFit:
    """One fit."""

    def __init__(self, solver: BayesianMF, session: Session) -> None:
        self.solver, self.session, self.ratings = solver, session, session.ratings
        ratings = session.ratings
        self.center, self.spread = center_and_spread(ratings.rating)
        self.table = standardized(ratings, self.center, self.spread)
        # More factors than rows could only repeat each other.
        self.k = min(solver.factors, len(ratings.users), len(ratings.items))
        self.kept = Kept(self.table, self.k, solver.seed, session.run)
        self.traces: list[list[float]] = []
        self.lost = inf
        self.started = time.perf_counter()

    def go(self, resume: bool) -> Model:
        """Run the sweeps that remain; return the model."""
        with single_blas():
            return self._go(resume)

    def _go(self, resume: bool) -> Model:
        loaded = self.session.checkpoint.load() if resume else None
        if loaded is None:
            self.choice = self._choose()
        else:
            self.choice = Choice.restored(loaded[1]["choice"])
        given = self.k, self.choice.parts, self.solver.seed, self.session.run
        self.chain = chain = Chain(self.table.by_user, self.table.by_item, *given)
        if loaded is not None:
            self._go_back(*loaded)
        # Pilots that a person cut short are not gone on from: what they decided is not what whole ones would.
        self.in_pilot = self.session.interrupted() and not chain.sweeps
        while not chain.sweeps or (self._wanted() > chain.sweeps and not self.session.interrupted()):
            self._sweep()
        return self._model("pilot" if self.in_pilot else "fit")

    def _choose(self) -> Choice:
        budget = self.solver.time_budget
        given = {name: getattr(self.solver, name) for name in Parts._fields}

        def enough() -> bool:  # half of the time is for the fit
            late = budget is not None and time.perf_counter() - self.started > budget / 2
            return late or self.session.interrupted()

        return choose_parts(
            self.table, self.k, given, self.solver.seed, self.session.run,
            spread=self.spread, report=self.session.report, interrupted=enough,
        )  # fmt: skip

    def _sweep(self) -> None:
        started, chain = time.perf_counter(), self.chain
        chain.sweep()
        self.kept.add(chain)
        if chain.sweeps % BLOCK == 0 and self.solver.sweeps is None:
            self.lost = self.kept.lost()
        self.traces.append([chain.precision, chain.users.sets_precision, chain.items.sets_precision])
        self.session.report(
            Epoch(
                stage="fit",
                setting=chain.parts.describe(),
                number=chain.sweeps,
                of=max(self._wanted(), chain.sweeps),
                rows=len(self.ratings),
                training_rmse=self.spread * sqrt(chain.squares / len(self.ratings)),
                validation_rmse=None,
                seconds=time.perf_counter() - started,
            )
        )
        if not self.in_pilot:
            self.session.checkpoint.save(self._state, now=self.session.interrupted())

    def _wanted(self) -> int:
        """How many sweeps there should be, as far as can be told now."""
        budget, done = self.solver.time_budget, self.chain.sweeps
        if budget is not None and time.perf_counter() - self.started > budget:
            return done
        if self.solver.sweeps is not None:
            return self.solver.sweeps
        if done < _LEAST:
            return _LEAST
        # What is lost shrinks with the number of sweeps.
        return min(_MOST, done if self.lost <= _LOST else max(done, ceil(done * self.lost / _LOST / BLOCK) * BLOCK))

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        arrays, numbers = self.chain.state()
        kept, counts = self.kept.state()
        state = {
            "choice": self.choice.plain(),
            "numbers": numbers,
            "counts": counts,
            "traces": self.traces,
            "lost": self.lost if isfinite(self.lost) else None,
            "history": self.session.plain_history(),
        }
        return arrays | kept, state

    def _go_back(self, arrays: dict[str, Any], state: dict[str, Any]) -> None:
        self.kept.restore(arrays, state["counts"])
        self.traces, self.lost = state["traces"], inf if state["lost"] is None else state["lost"]
        self.session.history = [Epoch(**epoch) for epoch in state["history"]]
        self.chain.restore(arrays, state["numbers"])

    def _model(self, stage: str) -> Model:
        sides, parts = self.kept.sides(), self.chain.parts
        posterior = self.kept.posterior(sides, (parts.user_sets, parts.item_sets), self.choice.calibration)
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
            solver=self.solver.record(),
            training={
                "sweeps": self.chain.sweeps,
                "pilot_sweeps": self.choice.sweeps,
                "rank": user_factors.shape[1],
                "parts": parts.describe(),
                "choices": list(self.choice.records),
                **self._diagnostics(),
                "stage": stage,
                "interrupted": self.session.interrupted(),
                "notes": list(self.ratings.notes),
                "history": self.session.plain_history(),
            },
        )

    def _diagnostics(self) -> dict[str, Any]:
        lost = self.kept.lost()
        draws, parts = np.array(self.traces), self.chain.parts
        shown = [("noise", True), ("user sets", parts.user_sets), ("item sets", parts.item_sets)]
        on = [(name, place) for place, (name, used) in enumerate(shown) if used and len(draws) >= _TRACEABLE]
        traces = [Trace.of(name, draws[:, place]) for name, place in on]
        found: dict[str, Any] = {
            "error_left_percent": round(100 * lost, 3) if isfinite(lost) else None,
            "traces": [trace._asdict() for trace in traces],
            "warnings": [],
        }
        if not lost <= 2 * _LOST:
            more = f"about {100 * lost:.1f}% of the error" if isfinite(lost) else "an unknown part of the error"
            found["warnings"].append(
                f"the chain is short: {more} comes from stopping after {self.chain.sweeps:,} sweeps; give it more "
                "(--sweeps, --time-budget)"
            )
        return found
