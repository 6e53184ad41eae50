"""Fits with one regularization: pilots on part of the ratings choose it, then all ratings are fitted.

A pilot is a short fit that leaves part of the ratings, the validation part, out. Its error on the validation part
chooses the regularization and the number of epochs.
"""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from palate.model import Model
from palate.ratings import Ratings, Vocabulary
from palate.solvers.session import Epoch, Session
from palate.solvers.warm_start import FreshFit

__all__ = ["Parameters", "PilotResult", "RegularizedFit", "RegularizedSolver", "TrainingProblem"]

#: The arrays that a fit changes, by name.
Parameters = dict[str, NDArray[np.float32]]

# With fewer validation ratings the choice would be a matter of chance.
_LEAST_VALIDATION = 50
# A fit that goes on from a model makes a quarter of its passes, and at least this many.
_LEAST_WARM = 2


class PilotResult(NamedTuple):
    """The best epoch of a pilot: its number and its RMSE on the validation part, in standardized units."""

    regularization: float
    epochs: int
    rmse: float


class RegularizedSolver(Protocol):
    """The settings that a solver needs for pilots."""

    @property
    def regularization(self) -> float | None:
        """None to let pilots choose."""

    @property
    def validation(self) -> float:
        """The share of the ratings in the validation part."""

    @property
    def patience(self) -> int:
        """A pilot ends after this many epochs without a better validation RMSE."""

    @property
    def seed(self) -> int:
        """Of the validation part."""


class TrainingProblem(ABC):
    """Standardized ratings to train on, and perhaps a validation part.

    Attributes
    ----------
    center, spread
        The solver learns (ratings - center) / spread.
    """

    center: float
    spread: float

    @abstractmethod
    def start(self) -> Parameters:
        """Return the first parameters."""

    @abstractmethod
    def start_from(self, model: Model, users: Vocabulary, items: Vocabulary) -> Parameters:
        """Return the parameters of a model, for these ids; those of ids that it lacks are as in `start`."""

    @abstractmethod
    def epoch(self, parameters: Parameters, regularization: float, number: int) -> tuple[float, int]:
        """Make one pass, in place; return the mean squared error (standardized) and the number of rows trained on."""

    @abstractmethod
    def validation_rmse(self, parameters: Parameters) -> float:
        """Return the RMSE on the validation part, in standardized units."""


class RegularizedFit(ABC):
    """One fit.

    Parameters
    ----------
    solver, session
        What is fitted, and with what.
    epochs
        The largest number of passes of a pilot or of the fit.
    default
        The regularization where there are too few ratings for pilots.
    candidates
        The regularizations that pilots try.
    """

    #: The word for a pass in the record of the fit.
    passes: ClassVar[str] = "epochs"

    def __init__(
        self, solver: RegularizedSolver, session: Session, epochs: int, default: float, candidates: Sequence[float]
    ) -> None:
        self.solver, self.session, self.ratings = solver, session, session.ratings
        self.epochs, self.default, self.candidates = epochs, default, candidates
        self.pilots: list[PilotResult] = []
        self.loaded: tuple[dict[str, Any], dict[str, Any]] | None = None

    @abstractmethod
    def problem(self, ratings: Ratings, validation: Ratings | None) -> TrainingProblem:
        """Prepare ratings for training, and the validation part."""

    @abstractmethod
    def model(self, problem: TrainingProblem, parameters: Parameters, regularization: float) -> Model:
        """Return the model of these parameters."""

    def go(self, resume: bool) -> Model:
        """Run the pilots and the passes that remain; return the model."""
        self.loaded = self.session.checkpoint.load() if resume else None
        if self.loaded:
            _, state = self.loaded
            self.pilots = [PilotResult(*pilot) for pilot in state["pilots"]]
            self.session.history = [Epoch(**epoch) for epoch in state["history"]]
        start = self.session.start
        in_validation = self.draw_validation()
        if start is not None:
            best = PilotResult(float(start.training["regularization"]), FreshFit.of(start).passes, 0.0)
        elif in_validation.any():
            if interrupted := self._run_pilots(in_validation):
                return self.model(*interrupted)
            best = min(self.pilots, key=lambda pilot: pilot.rmse)
        else:
            regularization = self.solver.regularization
            best = PilotResult(self.default if regularization is None else regularization, self.epochs, 0.0)
        problem = self.problem(self.ratings, None)
        parameters, _ = self._run_stage("fit", problem, best.regularization, best.epochs)
        return self.model(problem, parameters, best.regularization)

    def pilot_problem(self, in_validation: NDArray[np.bool_]) -> TrainingProblem:
        """Prepare the ratings for pilots, without the validation part."""
        # Both parts keep the scale of the whole table.
        declared = dataclasses.replace(self.ratings, declared_scale=self.ratings.scale)
        return self.problem(declared.take(~in_validation), declared.take(in_validation))

    def training_record(self, regularization: float) -> dict[str, Any]:
        """Return how the fit went, for `Model.training`."""
        last = self.session.history[-1] if self.session.history else None
        return {
            "regularization": regularization,
            self.passes: last.number if last else 0,
            "stage": last.stage if last else "fit",
            "interrupted": self.session.interrupted(),
            "notes": list(self.ratings.notes),
            "history": self.session.plain_history(),
        }

    def draw_validation(self) -> NDArray[np.bool_]:
        """Return which rows are in the validation part; none if it would be too small."""
        if not self.solver.validation:
            return np.zeros(len(self.ratings), bool)
        rng = np.random.default_rng([self.solver.seed, 3])
        rows = rng.random(len(self.ratings)) < self.solver.validation
        if rows.sum() < _LEAST_VALIDATION or rows.all():
            rows[:] = False
        return rows

    def _run_pilots(self, in_validation: NDArray[np.bool_]) -> tuple[TrainingProblem, Parameters, float] | None:
        """Run the pilots that remain; if Ctrl-C interrupts one, return what it has reached."""
        fixed, done = self.solver.regularization, {pilot.regularization for pilot in self.pilots}
        remaining = [value for value in (self.candidates if fixed is None else (fixed,)) if value not in done]
        if not remaining:
            return None
        problem = self.pilot_problem(in_validation)
        for regularization in remaining:
            parameters, pilot = self._run_stage("pilot", problem, regularization, self.epochs)
            if self.session.interrupted():
                return problem, parameters, regularization
            self.pilots.append(pilot)
        return None

    def _run_stage(
        self, stage: str, problem: TrainingProblem, regularization: float, epochs: int
    ) -> tuple[Parameters, PilotResult]:
        """Run the epochs of a pilot or of the fit; return the last parameters and the best epoch."""
        parameters, done, best = self._start_stage(stage, problem, regularization)
        for epoch in range(done, epochs):
            out_of_patience = stage == "pilot" and epoch - best.epochs >= self.solver.patience
            if self.session.interrupted() or out_of_patience:
                break
            started = time.perf_counter()
            squares, rows = problem.epoch(parameters, regularization, epoch)
            rmse = problem.validation_rmse(parameters) if stage == "pilot" else None
            if rmse is None or rmse < best.rmse:
                best = PilotResult(regularization, epoch + 1, rmse or 0.0)
            self.session.report(
                Epoch(
                    stage=stage,
                    setting=f"λ = {regularization:g}",
                    number=epoch + 1,
                    of=epochs,
                    rows=rows,
                    training_rmse=problem.spread * sqrt(squares),
                    validation_rmse=None if rmse is None else problem.spread * rmse,
                    seconds=time.perf_counter() - started,
                )
            )
            self._save(stage, parameters, best, epoch + 1)
        return parameters, best

    def _start_stage(
        self, stage: str, problem: TrainingProblem, regularization: float
    ) -> tuple[Parameters, int, PilotResult]:
        """Return the parameters, the number of epochs done and the best epoch: those of the checkpoint, or new ones."""
        if self.loaded:
            arrays, state = self.loaded
            if (state["stage"], state["best"][0]) == (stage, regularization):
                self.loaded = None
                return arrays, state["done"], PilotResult(*state["best"])
        begun = PilotResult(regularization, 0, float("inf"))
        start = self.session.start
        if start is not None:
            # The last passes: where the step of a pass depends on its number, it goes on as it was.
            passes = FreshFit.of(start).passes
            skipped = passes - min(passes, max(_LEAST_WARM, ceil(passes / 4)))
            return problem.start_from(start, self.ratings.users, self.ratings.items), skipped, begun
        return problem.start(), 0, begun

    def _save(self, stage: str, parameters: Parameters, best: PilotResult, done: int) -> None:
        state = {
            "stage": stage,
            "done": done,
            "best": best,
            "pilots": self.pilots,
            "history": self.session.plain_history(),
        }
        self.session.checkpoint.save(lambda: (parameters, state), now=self.session.interrupted())
