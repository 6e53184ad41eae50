"""Gibbs sampling at work: a chain whose samples are averaged into one model."""

from __future__ import annotations

import time
from math import ceil, inf, isfinite, sqrt
from typing import Any

import numpy as np

from palate.model import Model
from palate.parallel import single_blas
from palate.ratings import Ratings
from palate.solvers.bayes.accumulator import PosteriorAccumulator
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.diagnostics import ChainTrace
from palate.solvers.bayes.part_selection import PartSelection, select_parts
from palate.solvers.bayes.predictive_spread import BATCH_SWEEPS
from palate.solvers.bayes.settings import BayesianMF
from palate.solvers.bayes.state import ModelParts
from palate.solvers.half_step import center_and_spread, standardize_table
from palate.solvers.session import Epoch, Session

__all__ = ["GibbsFit"]

# The least and largest number of sweeps where the settings give none, and the share of the RMSE that may be lost by the
# end of the chain.
_LEAST_SWEEPS, _MOST_SWEEPS, _TOLERANCE = 300, 1000, 0.0015
# Fewer sweeps do not show how a chain moves.
_LEAST_TRACED = 20


class GibbsFit:
    """One fit."""

    def __init__(self, solver: BayesianMF, session: Session) -> None:
        self.solver, self.session, self.ratings = solver, session, session.ratings
        ratings = session.ratings
        with single_blas():  # as in `go`: the last bits of a dot product depend on the number of threads of BLAS
            self.center, self.spread, self.table = self._standardize()
        # More factors than rows would be redundant.
        self.k = min(solver.factors, len(ratings.users), len(ratings.items))
        self.accumulator = PosteriorAccumulator(self.table, self.k, solver.seed, session.run)
        # The scales of the chain after each sweep: precision of the noise, and of both sides' set weights.
        self.traces: list[list[float]] = []
        self.error_left = inf
        self.started = time.perf_counter()

    def _standardize(self) -> tuple[float, float, Ratings]:
        """Return the center and the spread of the ratings, and the standardized table."""
        center, spread = center_and_spread(self.ratings.rating)
        return center, spread, standardize_table(self.ratings, center, spread)

    def _start_chain(self) -> Chain:
        table, parts = self.table, self.selection.parts
        return Chain(table.by_user, table.by_item, self.k, parts, self.solver.seed, self.session.run)

    def go(self, resume: bool) -> Model:
        """Run the pilots and the sweeps that remain; return the model."""
        with single_blas():
            return self._go(resume)

    def _go(self, resume: bool) -> Model:
        loaded = self.session.checkpoint.load() if resume else None
        self.selection = self._select() if loaded is None else PartSelection.restored(loaded[1]["choice"])
        self.chain = chain = self._start_chain()
        if loaded is not None:
            self._restore(*loaded)
        # After interrupted pilots there is no checkpoint: complete pilots might select other parts.
        self.in_pilot = self.session.interrupted() and not chain.sweeps
        while not chain.sweeps or (self._sweeps_wanted() > chain.sweeps and not self.session.interrupted()):
            self._sweep()
        return self._model("pilot" if self.in_pilot else "fit")

    def _select(self) -> PartSelection:
        budget = self.solver.time_budget
        fixed = {name: getattr(self.solver, name) for name in ModelParts._fields}

        def is_time_up() -> bool:  # half of the time is for the fit
            is_late = budget is not None and time.perf_counter() - self.started > budget / 2
            return is_late or self.session.interrupted()

        return select_parts(
            self.table, self.k, fixed, self.solver.seed, self.session.run,
            spread=self.spread, report=self.session.report, interrupted=is_time_up,
        )  # fmt: skip

    def _sweep(self) -> None:
        started, chain = time.perf_counter(), self.chain
        chain.sweep()
        self.accumulator.add(chain)
        if chain.sweeps % BATCH_SWEEPS == 0 and self.solver.sweeps is None:
            self.error_left = self.accumulator.error_left()
        self.traces.append([chain.precision, chain.users.sets_precision, chain.items.sets_precision])
        self.session.report(
            Epoch(
                stage="fit",
                setting=chain.parts.describe(),
                number=chain.sweeps,
                of=max(self._sweeps_wanted(), chain.sweeps),
                rows=len(self.ratings),
                training_rmse=self.spread * sqrt(chain.squares / len(self.ratings)),
                validation_rmse=None,
                seconds=time.perf_counter() - started,
            )
        )
        if not self.in_pilot:
            self.session.checkpoint.save(self._state, now=self.session.interrupted())

    def _sweeps_wanted(self) -> int:
        """Return the number of sweeps after which the chain should end, as far as that is known now."""
        budget, done = self.solver.time_budget, self.chain.sweeps
        if budget is not None and time.perf_counter() - self.started > budget:
            return done
        if self.solver.sweeps is not None:
            return self.solver.sweeps
        if done < _LEAST_SWEEPS:
            return _LEAST_SWEEPS
        if self.error_left <= _TOLERANCE:
            return min(_MOST_SWEEPS, done)
        # The error that is left is inversely proportional to the number of sweeps.
        batches = ceil(done * self.error_left / _TOLERANCE / BATCH_SWEEPS)
        return min(_MOST_SWEEPS, max(done, batches * BATCH_SWEEPS))

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        chain_arrays, numbers = self.chain.state()
        sums, counts = self.accumulator.state()
        state = {
            "choice": self.selection.plain(),
            "numbers": numbers,
            "counts": counts,
            "traces": self.traces,
            "lost": self.error_left if isfinite(self.error_left) else None,
            "history": self.session.plain_history(),
        }
        return chain_arrays | sums, state

    def _restore(self, arrays: dict[str, Any], state: dict[str, Any]) -> None:
        self.accumulator.restore(arrays, state["counts"])
        self.traces, self.error_left = state["traces"], inf if state["lost"] is None else state["lost"]
        self.session.history = [Epoch(**epoch) for epoch in state["history"]]
        self.chain.restore(arrays, state["numbers"])

    def _model(self, stage: str) -> Model:
        means, parts = self.accumulator.means(), self.chain.parts
        has_sets = parts.user_sets, parts.item_sets
        posterior = self.accumulator.posterior(means, has_sets, self.selection.calibration)
        (user_factors, user_bias), (item_factors, item_bias) = means
        spread, root = np.float32(self.spread), np.float32(sqrt(self.spread))
        return Model(
            users=self.ratings.users,
            items=self.ratings.items,
            intercept=self.center,
            mean=self.center,
            user_bias=user_bias[:-1] * spread,
            item_bias=item_bias[:-1] * spread,
            user_factors=user_factors[:-1] * root,
            item_factors=item_factors[:-1] * root,
            scale=self.ratings.scale,
            seen=self.ratings.by_user,
            posterior=posterior.rescaled(self.spread),
            training={
                "sweeps": self.chain.sweeps,
                "pilot_sweeps": self.selection.sweeps,
                "rank": user_factors.shape[1],
                "parts": parts.describe(),
                "choices": list(self.selection.records),
                **self._diagnostics(),
                "stage": stage,
                "interrupted": self.session.interrupted(),
                "notes": list(self.ratings.notes),
                "history": self.session.plain_history(),
            },
        )

    def _diagnostics(self) -> dict[str, Any]:
        """Return the part of the record that says whether the chain has run long enough."""
        error_left, parts = self.accumulator.error_left(), self.chain.parts
        draws = np.array(self.traces)
        scales = [("noise", True), ("user sets", parts.user_sets), ("item sets", parts.item_sets)]
        is_long = len(draws) >= _LEAST_TRACED
        traces = [
            ChainTrace.of(name, draws[:, column])
            for column, (name, is_drawn) in enumerate(scales)
            if is_drawn and is_long
        ]
        warnings = []
        if not error_left <= 2 * _TOLERANCE:
            share = f"about {100 * error_left:.1f}%" if isfinite(error_left) else "an unknown part"
            warnings.append(
                f"the chain is short: {share} of the error comes from stopping after {self.chain.sweeps:,} sweeps; "
                "give it more (--sweeps, --time-budget)"
            )
        return {
            "error_left_percent": round(100 * error_left, 3) if isfinite(error_left) else None,
            "traces": [trace._asdict() for trace in traces],
            "warnings": warnings,
        }
