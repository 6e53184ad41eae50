"""Gibbs sampling at work: a chain whose samples are averaged into one model."""

from __future__ import annotations

import time
from math import ceil, inf, isfinite, sqrt
from typing import Any

import numpy as np

from palate.errors import SettingsError
from palate.model import Model
from palate.parallel import single_blas
from palate.ratings import Ratings
from palate.solvers.bayes.accumulator import PosteriorAccumulator, PosteriorMeans
from palate.solvers.bayes.attribute_effects import filled, with_attributes
from palate.solvers.bayes.calibration import widen_unknown
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.combinations import Combination, Member, PartSelection
from palate.solvers.bayes.diagnostics import ChainTrace, is_drifting
from palate.solvers.bayes.mixture import ChainMixture
from palate.solvers.bayes.part_selection import select_parts
from palate.solvers.bayes.predictive_spread import BATCH_SWEEPS
from palate.solvers.bayes.settings import BayesianMF
from palate.solvers.bayes.state import ModelParts
from palate.solvers.bayes.time_selection import TimeSelection, select_times
from palate.solvers.bayes.timed_chain import TimedChain
from palate.solvers.bayes.warm import (
    PAST_SHARE,
    member_records,
    past_mean,
    restored_selection,
    restored_times,
    start_from_model,
    updated_model,
    warm_sweeps,
)
from palate.solvers.feature_rows import feature_rows
from palate.solvers.half_step import center_and_spread, standardize_table
from palate.solvers.session import Epoch, Session
from palate.solvers.warm_start import FreshFit

__all__ = ["GibbsFit"]

# The least and largest number of sweeps where the settings give none, and the share of the RMSE that may be lost by the
# end of the chain. Chains on smaller tables, and those of independent draws, run for at least twice the least number.
_LEAST_SWEEPS, _MOST_SWEEPS, _TOLERANCE = 150, 1000, 0.0015
# A fit without a number of factors has this many on a table of fewer ratings than this, and fewer than this many a row:
# more take twice as long there and gain nothing (measured).
_SPARSE_RATINGS, _SPARSE_ROW, _SPARSE_FACTORS = 200_000, 10, 15
# It has this many on a table of at least this many ratings, if both sides have at least this many rows.
_LARGE_RATINGS, _LARGE_ROWS, _LARGE_FACTORS = 500_000, 1000, 47
# Fewer sweeps do not show how a chain moves.
_LEAST_TRACED = 20


class GibbsFit:
    """One fit."""

    def __init__(self, solver: BayesianMF, session: Session) -> None:
        self.solver, self.session, self.ratings = solver, session, session.ratings
        ratings = session.ratings
        with single_blas():  # as in `go`: the last bits of a dot product depend on the number of threads of BLAS
            self.center, self.spread, self.table = self._standardize()
        self.features = feature_rows(self.table, 1)
        self.is_constant = bool(ratings.rating.min() == ratings.rating.max())
        # More factors than rows would be redundant.
        self.k = min(self._factors_wanted(), len(ratings.users), len(ratings.items))
        self.accumulator = PosteriorAccumulator(self.table, self.k, solver.seed, session.run)
        # The scales of the chains after each sweep: see `ChainMixture.scales`.
        self.traces: list[list[float]] = []
        self.error_left = inf
        self.started = time.perf_counter()

    def _factors_wanted(self) -> int:
        """Return the number of factors: the default one depends on the size of the table."""
        if self.solver.factors != BayesianMF.factors:
            return self.solver.factors
        ratings, rows = len(self.ratings), (len(self.ratings.users), len(self.ratings.items))
        if ratings < min(_SPARSE_RATINGS, _SPARSE_ROW * sum(rows)):
            return _SPARSE_FACTORS
        return _LARGE_FACTORS if ratings >= _LARGE_RATINGS and min(rows) >= _LARGE_ROWS else self.solver.factors

    def _standardize(self) -> tuple[float, float, Ratings]:
        """Return the center and the spread of the ratings, and the standardized table."""
        center, spread = center_and_spread(self.ratings.rating)
        return center, spread, standardize_table(self.ratings, center, spread)

    def _make_chain(self, has_factors: bool, parts: ModelParts) -> Chain:
        table, k, features = self.table, self.k if has_factors else 0, self.features
        return Chain(table.by_user, table.by_item, k, parts, self.solver.seed, self.session.run, features=features)

    def go(self, resume: bool) -> Model:
        """Run the pilots and the sweeps that remain; return the model."""
        with single_blas():
            return self._go(resume)

    def _go(self, resume: bool) -> Model:
        loaded = self.session.checkpoint.load() if resume else None
        self.start = self._usable_start()
        self.selection = self._select() if loaded is None else PartSelection.restored(loaded[1]["choice"])
        self.times = self._select_times() if loaded is None else TimeSelection.restored(loaded[1]["times"])
        members, run = self.selection.members, self.session.run
        self.mixture = mixture = ChainMixture(members, len(self.table), self._make_chain, run)
        parts = self.selection.parts._replace(times=True)
        self.timed = TimedChain(self.table, self.k, parts, self.solver.seed, run) if self.times.is_on else None
        if loaded is None:
            self._start_chains()
        else:
            self._restore(*loaded)
        # After interrupted pilots there is no checkpoint: complete pilots might select other parts.
        self.in_pilot = self.session.interrupted() and not mixture.sweeps
        while not mixture.sweeps or (self._sweeps_wanted() > mixture.sweeps and not self.session.interrupted()):
            self._sweep()
        return self._model("pilot" if self.in_pilot else "fit")

    def _usable_start(self) -> Model | None:
        """Return the model from which the chains go on, if it says which parts are on."""
        start = self.session.start
        if start is None or self.is_constant or restored_selection(start, ()) is None:
            self.session.start = None
        return self.session.start

    def _start_chains(self) -> None:
        """Give all chains their first state."""
        if self.start is None:
            self.mixture.start()
            if self.timed:
                self.timed.start()
            return
        model = updated_model(self.start, self.ratings)
        for place, chain in enumerate(self.mixture.chains):
            start_from_model(chain, model, self.table, self.spread, place)
        self.accumulator.add_past(past_mean(model, self.table, self.spread), PAST_SHARE, self._sweeps_wanted())
        if self.timed:
            self.timed.start_from(self.start, self.table, self.spread)

    def _select(self) -> PartSelection:
        if self.start is not None:
            selection = restored_selection(self.start, tuple(self._fixed_features()))
            assert selection is not None
            return selection
        fixed = {name: getattr(self.solver, name) for name in ModelParts._fields if name != "times"}
        fixed |= self._fixed_features()
        if self.is_constant:  # no part can do better than another
            parts = ModelParts(**{name: bool(is_on) for name, is_on in fixed.items()})
            return PartSelection((Member(Combination(parts)),))
        return select_parts(
            self.table, self.k, fixed, self.solver.seed, self.session.run,
            spread=self.spread, report=self.session.report, interrupted=self._is_time_up,
        )  # fmt: skip

    def _fixed_features(self) -> dict[str, bool]:
        """Return which parts are off because there is no table of attributes."""
        tables = {"user_features": self.ratings.user_features, "item_features": self.ratings.item_features}
        for name, table in tables.items():
            if table is None and getattr(self.solver, name):
                raise SettingsError(f"{name} is on, and there is no table of attributes: hand one over with {name}=")
        return {name: False for name, table in tables.items() if table is None}

    def _is_time_up(self) -> bool:
        """Whether pilots must end: half of the time is for the fit."""
        budget = self.solver.time_budget
        is_late = budget is not None and time.perf_counter() - self.started > budget / 2
        return is_late or self.session.interrupted()

    def _select_times(self) -> TimeSelection:
        fixed, moments = self.solver.times, self.table.time
        has_times = moments is not None and bool((moments != moments[0]).any())
        if fixed and not has_times:
            fault = "no times" if moments is None else "all the same time"
            raise SettingsError(
                f"the ratings have {fault}, so nothing can be learnt from times: read a table with a column of times "
                "(--time), or leave the setting times out"
            )
        if self.start is not None:
            return restored_times(self.start, has_times)
        if fixed is False or self.is_constant or not has_times or (fixed and not self.selection.sweeps):
            return TimeSelection(bool(fixed))  # without pilots there is no calibration of the other parts either
        return select_times(
            self.table, self.k, self.selection.parts, fixed, self.solver.seed, self.session.run,
            spread=self.spread, report=self.session.report, interrupted=self._is_time_up,
        )  # fmt: skip

    def _describe(self) -> str:
        return self.mixture.describe() + (", times" if self.timed else "")

    def _sweep(self) -> None:
        started, mixture = time.perf_counter(), self.mixture
        mixture.sweep()
        self.accumulator.add(mixture.chains, mixture.shares)
        if self.timed:
            self.timed.sweep()
        if mixture.sweeps % BATCH_SWEEPS == 0 and self.solver.sweeps is None:
            self.error_left = self.accumulator.error_left()
        self.traces.append(mixture.scales())
        self.session.report(
            Epoch(
                stage="fit",
                setting=self._describe(),
                number=mixture.sweeps,
                of=max(self._sweeps_wanted(), mixture.sweeps),
                rows=len(self.ratings),
                training_rmse=self.spread * mixture.training_rmse(),
                validation_rmse=None,
                seconds=time.perf_counter() - started,
            )
        )
        if not self.in_pilot:
            self.session.checkpoint.save(self._state, now=self.session.interrupted())

    def _sweeps_wanted(self) -> int:
        """Return the number of sweeps after which the chain should end, as far as that is known now."""
        budget, done = self.solver.time_budget, self.mixture.sweeps
        if budget is not None and time.perf_counter() - self.started > budget:
            return done
        if self.start is not None:
            return warm_sweeps(FreshFit.of(self.start), len(self.mixture.chains), len(self.table))
        if self.solver.sweeps is not None:
            return self.solver.sweeps
        if self.is_constant:
            return _LEAST_TRACED
        # Several chains together take at most as many sweeps as two would alone.
        chains = max(1.0, len(self.mixture.chains) / 2)
        is_quick = self.mixture.chains[0].users.correlation and len(self.table) >= _SPARSE_RATINGS
        least = _LEAST_SWEEPS * (1 if is_quick else 2)
        least, most = ceil(least / chains), ceil(max(least, _MOST_SWEEPS) / chains)
        if done < least:
            return least
        if self.error_left <= _TOLERANCE:
            return min(most, done)
        # The error that is left is inversely proportional to the number of sweeps.
        batches = ceil(done * self.error_left / _TOLERANCE / BATCH_SWEEPS)
        return min(most, max(done, batches * BATCH_SWEEPS))

    def _state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        chain_arrays, numbers = self.mixture.state()
        sums, counts = self.accumulator.state()
        state = {
            "choice": self.selection.plain(),
            "times": self.times.plain(),
            "numbers": numbers,
            "counts": counts,
            "traces": self.traces,
            "lost": self.error_left if isfinite(self.error_left) else None,
            "history": self.session.plain_history(),
        }
        if self.timed:
            timed_arrays, state["timed"] = self.timed.state()
            sums |= timed_arrays
        return chain_arrays | sums, state

    def _restore(self, arrays: dict[str, Any], state: dict[str, Any]) -> None:
        if self.timed:
            self.timed.restore(arrays, state["timed"])
        self.accumulator.restore(arrays, state["counts"])
        self.traces, self.error_left = state["traces"], inf if state["lost"] is None else state["lost"]
        self.session.history = [Epoch(**epoch) for epoch in state["history"]]
        self.mixture.restore(arrays, state["numbers"])

    def _model(self, stage: str) -> Model:
        chain = self.mixture.chains[0]
        tables = chain.users.table, chain.items.table
        wide, told = with_attributes(self.accumulator.means(), self.mixture.features, tables, self.session.run)
        posterior = self.accumulator.posterior(
            PosteriorMeans(*wide), self.mixture.has_sets, self.selection.calibration, told
        )
        posterior = widen_unknown(posterior, *self.selection.unknown)
        (user_factors, user_bias), (item_factors, item_bias) = filled(wide, told)
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
            user_features=None if told[0] is None else told[0].kept(self.spread),
            item_features=None if told[1] is None else told[1].kept(self.spread),
            times=self.timed.effects(self.spread, self.times.calibration) if self.timed else None,
            training={
                "sweeps": self.mixture.sweeps,
                "pilot_sweeps": self.selection.sweeps + self.times.sweeps,
                "rank": user_factors.shape[1],
                "parts": self._describe(),
                "unknown_variance": list(self.selection.unknown),
                "combinations": member_records(self.mixture.members, self.mixture.chains),
                "choices": [*self.selection.records, *self.times.records],
                **self._diagnostics(),
                "stage": stage,
                "interrupted": self.session.interrupted(),
                "notes": list(self.ratings.notes),
                "history": self.session.plain_history(),
            },
        )

    def _diagnostics(self) -> dict[str, Any]:
        """Return the part of the record that says whether the chain has run long enough."""
        error_left, mixture = self.accumulator.error_left(), self.mixture
        traces, warnings = list[ChainTrace](), list[str]()
        if self.is_constant:
            return {"error_left_percent": None, "traces": [], "warnings": []}
        if len(self.traces) >= _LEAST_TRACED:
            draws, is_alone = np.array(self.traces), len(mixture.chains) == 1
            for place, (member, chain) in enumerate(zip(mixture.members, mixture.chains, strict=True)):
                scales = ("noise", True), ("user sets", chain.parts.user_sets), ("item sets", chain.parts.item_sets)
                suffix = "" if is_alone else f" ({member.combination.describe()})"
                columns = draws[:, 3 * place : 3 * place + 3].T
                traces += [
                    ChainTrace.of(name + suffix, column)
                    for column, (name, is_drawn) in zip(columns, scales, strict=True)
                    if is_drawn
                ]
                if is_drifting(columns[0]):
                    warnings.append(
                        f"the noise{suffix} still falls after {mixture.sweeps:,} sweeps: factors explain ever more of "
                        "it, and more sweeps may make predictions worse; try fewer factors (--factors)"
                    )
        # The chains of a model that the fit went on from were long enough: what they found is the first state of these.
        if not error_left <= (2 if self.start is None else 4) * _TOLERANCE:
            share = f"about {100 * error_left:.1f}%" if isfinite(error_left) else "an unknown part"
            warnings.append(
                f"the chain is short: {share} of the error comes from stopping after {self.mixture.sweeps:,} sweeps; "
                "give it more (--sweeps, --time-budget)"
            )
        return {
            "error_left_percent": round(100 * error_left, 3) if isfinite(error_left) else None,
            "traces": [trace._asdict() for trace in traces],
            "warnings": warnings,
        }
