"""What solvers with one regularization share: pilots on part of the ratings choose it, then all ratings are fitted."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import sqrt
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from palate.model import Model
from palate.ratings import Ratings
from palate.solvers.session import Epoch, Session

__all__ = ["Part", "Pilot", "Piloted", "Tuned"]

Arrays = dict[str, NDArray[np.float32]]

# Fewer validation ratings than this would choose by chance.
_FEWEST_VALIDATION = 50


class Pilot(NamedTuple):
    """The outcome of one pilot: the best epoch and its validation RMSE."""

    regularization: float
    epochs: int
    rmse: float


class Tuned(Protocol):
    """The settings that a solver needs for pilots."""

    @property
    def regularization(self) -> float | None:
        """None for one of the usual values."""

    @property
    def validation(self) -> float:
        """The share of the ratings that chooses."""

    @property
    def patience(self) -> int:
        """Epochs without a better validation RMSE."""

    @property
    def seed(self) -> int:
        """Of the validation part."""


class Part(ABC):
    """Ratings to train on, scaled, and perhaps others to validate on.

    Attributes
    ----------
    center, spread
        What is learnt are (ratings - center) / spread.
    """

    center: float
    spread: float

    @abstractmethod
    def begin(self) -> Arrays:
        """Return the first parameters."""

    @abstractmethod
    def epoch(self, at: Arrays, regularization: float, number: int) -> tuple[float, int]:
        """Change the parameters by one pass; return the mean squared error (scaled) and the rows trained on."""

    @abstractmethod
    def validate(self, at: Arrays) -> float:
        """Return the RMSE (scaled) on the validation part."""


class Piloted(ABC):
    """One fit.

    Parameters
    ----------
    solver, session
        What is to be fitted.
    epochs
        Passes of a stage, at most.
    usual
        The regularization where nothing can be tried out.
    tried
        Those among which the pilots choose.
    """

    #: The word for a pass in the record of the fit.
    passes: ClassVar[str] = "epochs"

    def __init__(self, solver: Tuned, session: Session, epochs: int, usual: float, tried: Sequence[float]) -> None:
        self.solver, self.session, self.ratings = solver, session, session.ratings
        self.epochs, self.usual, self.tried = epochs, usual, tried
        self.pilots: list[Pilot] = []
        self.resumed: tuple[dict[str, Any], dict[str, Any]] | None = None

    @abstractmethod
    def part(self, ratings: Ratings, held: Ratings | None) -> Part:
        """Prepare ratings for training, and those held out for validation."""

    @abstractmethod
    def model(self, part: Part, at: Arrays, regularization: float) -> Model:
        """Return the model of these parameters."""

    def go(self, resume: bool) -> Model:
        """Run what is still to be run; return the model."""
        self.resumed = self.session.checkpoint.load() if resume else None
        if self.resumed:
            _, state = self.resumed
            self.pilots = [Pilot(*pilot) for pilot in state["pilots"]]
            self.session.history = [Epoch(**epoch) for epoch in state["history"]]
        validation = self._validation_rows()
        if validation.any():
            if reached := self._pilot(validation):
                return self.model(*reached)
            chosen = min(self.pilots, key=lambda pilot: pilot.rmse)
        else:
            given = self.solver.regularization
            chosen = Pilot(self.usual if given is None else given, self.epochs, 0.0)
        part = self.part(self.ratings, None)
        parameters, _ = self._stage("fit", part, chosen.regularization, chosen.epochs)
        return self.model(part, parameters, chosen.regularization)

    def record(self, regularization: float) -> dict[str, Any]:
        """Return what a model tells of its training."""
        last = self.session.history[-1] if self.session.history else None
        return {
            "regularization": regularization,
            self.passes: last.number if last else 0,
            "stage": last.stage if last else "fit",
            "interrupted": self.session.interrupted(),
            "notes": list(self.ratings.notes),
            "history": self.session.plain_history(),
        }

    def _validation_rows(self) -> NDArray[np.bool_]:
        if not self.solver.validation:
            return np.zeros(len(self.ratings), bool)
        rng = np.random.default_rng([self.solver.seed, 3])
        rows = rng.random(len(self.ratings)) < self.solver.validation
        if rows.sum() < _FEWEST_VALIDATION or rows.all():
            rows[:] = False
        return rows

    def _pilot(self, validation: NDArray[np.bool_]) -> tuple[Part, Arrays, float] | None:
        """Run the pilots that are still to be run; return what has been reached if one was interrupted."""
        given, done = self.solver.regularization, {pilot.regularization for pilot in self.pilots}
        left = [value for value in (self.tried if given is None else (given,)) if value not in done]
        if not left:
            return None
        declared = dataclasses.replace(self.ratings, declared_scale=self.ratings.scale)
        part = self.part(declared.take(~validation), declared.take(validation))
        for regularization in left:
            parameters, pilot = self._stage("pilot", part, regularization, self.epochs)
            if self.session.interrupted():
                return part, parameters, regularization
            self.pilots.append(pilot)
        return None

    def _stage(self, stage: str, part: Part, regularization: float, epochs: int) -> tuple[Arrays, Pilot]:
        """Run the epochs of a pilot or of the fit; return the last parameters and the best epoch."""
        parameters, done, best = self._begin(stage, part, regularization)
        for epoch in range(done, epochs):
            late = stage == "pilot" and epoch - best.epochs >= self.solver.patience
            if self.session.interrupted() or late:
                break
            started = time.perf_counter()
            squares, rows = part.epoch(parameters, regularization, epoch)
            rmse = part.validate(parameters) if stage == "pilot" else None
            if rmse is None or rmse < best.rmse:
                best = Pilot(regularization, epoch + 1, rmse or 0.0)
            self.session.report(
                Epoch(
                    stage=stage,
                    setting=f"λ = {regularization:g}",
                    number=epoch + 1,
                    of=epochs,
                    rows=rows,
                    training_rmse=part.spread * sqrt(squares),
                    validation_rmse=None if rmse is None else part.spread * rmse,
                    seconds=time.perf_counter() - started,
                )
            )
            self._save(stage, parameters, best, epoch + 1)
        return parameters, best

    def _begin(self, stage: str, part: Part, regularization: float) -> tuple[Arrays, int, Pilot]:
        if self.resumed:
            arrays, state = self.resumed
            if (state["stage"], state["best"][0]) == (stage, regularization):
                self.resumed = None
                return arrays, state["done"], Pilot(*state["best"])
        return part.begin(), 0, Pilot(regularization, 0, float("inf"))

    def _save(self, stage: str, parameters: Arrays, best: Pilot, done: int) -> None:
        state = {
            "stage": stage,
            "done": done,
            "best": best,
            "pilots": self.pilots,
            "history": self.session.plain_history(),
        }
        self.session.checkpoint.save(lambda: (parameters, state), now=self.session.interrupted())
