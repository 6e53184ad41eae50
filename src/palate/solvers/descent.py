"""Stochastic gradient descent at work: pilots on part of the ratings, then the fit on all of them."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.kernels.sgd import descend, descend_in_batches, squared_error
from palate.kernels.simd import LANES
from palate.model import Model
from palate.profiles import Penalty
from palate.ratings import Ratings
from palate.solvers.blocks import Blocks, Deal
from palate.solvers.training import Epoch, Session
from palate.threads import Run

if TYPE_CHECKING:
    from palate.solvers.sgd import SGD

__all__ = ["Descent"]

Floats = NDArray[np.float32]

# What a pilot tries where the regularization is not given; on standardized ratings the best one is within this range
# for tables as different as jokes on a slider (0.05) and films on five stars (0.1).
_REGULARIZATIONS = (0.04, 0.055, 0.075, 0.1, 0.13)
_USUAL_REGULARIZATION = 0.075
# With less, the equations of a fold-in may not be solvable.
_LEAST_PENALTY = 1e-4
# Fewer validation ratings than this would choose by chance.
_FEWEST_VALIDATION = 50


class _Pilot(NamedTuple):
    """The outcome of one pilot: the best epoch and its validation RMSE."""

    regularization: float
    epochs: int
    rmse: float


@dataclass
class _Parameters:
    """What is being learnt, on the scaled ratings; factors padded to whole vectors."""

    user_factors: Floats
    item_factors: Floats
    user_bias: Floats
    item_bias: Floats

    @classmethod
    def start(cls, solver: SGD, users: int, items: int) -> Self:
        rng = np.random.default_rng([solver.seed, 1])
        sides = []
        for rows in (users, items):
            shape = (rows, solver.factors)
            if solver.initialization == "xavier":
                bound = sqrt(6 / (rows + solver.factors))
                values = rng.uniform(-bound, bound, shape)
            else:
                values = rng.normal(0, 0.1, shape)
            padded = np.zeros((rows, _padded(solver.factors)), np.float32)
            padded[:, : solver.factors] = values
            sides.append(padded)
        user_factors, item_factors = sides
        return cls(user_factors, item_factors, np.zeros(users, np.float32), np.zeros(items, np.float32))

    def arrays(self) -> dict[str, Floats]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _padded(factors: int) -> int:
    return -(-factors // LANES) * LANES


class _Part:
    """Ratings to train on, scaled, in the order in which kernels want them. Users and items go by rows."""

    def __init__(self, solver: SGD, ratings: Ratings, deal: Deal, run: Run, stage: int) -> None:
        self.solver, self.run = solver, run
        self.center, self.spread = _center(solver, ratings)
        self.blocks: Blocks | None = None
        if solver.batch_size > 1:
            self.table = self.rows(ratings, deal)
        else:
            rng = np.random.default_rng([solver.seed, 2, stage])
            self.blocks = Blocks.cut(deal, ratings, self.center, self.spread, rng, run)
            self.table = self.blocks.user, self.blocks.item, self.blocks.rating

    def rows(self, ratings: Ratings, deal: Deal) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
        """Return the user rows, item rows and scaled ratings of a table."""
        scaled = (ratings.rating - np.float32(self.center)) * np.float32(1 / self.spread)
        return deal.user_row[ratings.user], deal.item_row[ratings.item], scaled

    def epoch(self, at: _Parameters, rate: float, keep: float, rng: np.random.Generator) -> tuple[float, int]:
        """Make one pass; return the sum of squared errors on the scaled ratings, and the distinct rows trained on."""
        parameters = *at.arrays().values(), np.float32(rate), np.float32(keep), self.solver.biases
        if self.blocks is None:
            order = rng.permutation(len(self.table[0]))
            squares = descend_in_batches(*self.table, order, min(self.solver.batch_size, len(order)), *parameters)
            return squares, len(np.unique(order))
        width = (0,) * at.user_factors.shape[1]
        squares, rows = 0.0, 0
        for blocks in self.blocks.rounds(rng):
            squares += sum(self.run(lambda block: descend(*self.table, *block, *parameters, width), blocks))
            rows += sum(stop - start for start, stop in blocks)  # blocks do not overlap
        return squares, rows


class _Held:
    """The validation part, scaled like the part that is trained on."""

    def __init__(self, ratings: Ratings, part: _Part, deal: Deal, run: Run) -> None:
        self.run, scale = run, ratings.scale
        self.table = part.rows(ratings, deal)
        self.limits = [np.float32((end - part.center) / part.spread) for end in (scale.low, scale.high)]

    def rmse(self, at: _Parameters) -> float:
        """The error of clipped predictions, on the scaled ratings."""
        width = (0,) * at.user_factors.shape[1]
        size, step = len(self.table[0]), 1 << 16
        parts = [(start, min(start + step, size)) for start in range(0, size, step)]
        arrays = at.arrays().values()
        squares = self.run(lambda part: squared_error(*self.table, *part, *arrays, *self.limits, width), parts)
        return sqrt(sum(squares) / size)


def _center(solver: SGD, ratings: Ratings) -> tuple[float, float]:
    # Ratings are fitted as (rating - center) / spread.
    if solver.scaling == "unit":
        return (ratings.scale.low + ratings.scale.high) / 2, ratings.scale.width / 2 or 1.0
    return float(ratings.rating.mean(dtype=np.float64)), float(ratings.rating.std(dtype=np.float64)) or 1.0


class Descent:
    """One fit."""

    def __init__(self, solver: SGD, session: Session) -> None:
        self.solver, self.session = solver, session
        self.ratings, self.run = session.ratings, session.run
        ratings = session.ratings
        self.shape = len(ratings.users), len(ratings.items)
        self.deal = Deal.of(ratings, _padded(solver.factors))
        self.pilots: list[_Pilot] = []
        self.resumed: tuple[dict[str, Any], dict[str, Any]] | None = None

    def go(self, resume: bool) -> Model:
        """Run what is still to be run; return the model."""
        self.resumed = self.session.checkpoint.load() if resume else None
        if self.resumed:
            _, state = self.resumed
            self.pilots = [_Pilot(*pilot) for pilot in state["pilots"]]
            self.session.history = [Epoch(**epoch) for epoch in state["history"]]
        validation = self._validation_rows()
        if validation.any():
            if reached := self._pilot(validation):
                return self._model(*reached)
            chosen = min(self.pilots, key=lambda pilot: pilot.rmse)
        else:
            given = self.solver.regularization
            chosen = _Pilot(_USUAL_REGULARIZATION if given is None else given, self.solver.epochs, 0.0)
        part = _Part(self.solver, self.ratings, self.deal, self.run, stage=1)
        parameters, _ = self._stage("fit", part, None, chosen.regularization, chosen.epochs)
        return self._model(part, parameters, chosen)

    def _validation_rows(self) -> NDArray[np.bool_]:
        if not self.solver.validation:
            return np.zeros(len(self.ratings), bool)
        rng = np.random.default_rng([self.solver.seed, 3])
        rows = rng.random(len(self.ratings)) < self.solver.validation
        if rows.sum() < _FEWEST_VALIDATION or rows.all():
            rows[:] = False
        return rows

    def _pilot(self, validation: NDArray[np.bool_]) -> tuple[_Part, _Parameters, _Pilot] | None:
        """Run the pilots that are still to be run; return what has been reached if one was interrupted."""
        given, done = self.solver.regularization, {pilot.regularization for pilot in self.pilots}
        left = [value for value in (_REGULARIZATIONS if given is None else (given,)) if value not in done]
        if not left:
            return None
        declared = dataclasses.replace(self.ratings, declared_scale=self.ratings.scale)
        part = _Part(self.solver, declared.take(~validation), self.deal, self.run, stage=0)
        held = _Held(declared.take(validation), part, self.deal, self.run)
        for regularization in left:
            parameters, pilot = self._stage("pilot", part, held, regularization, self.solver.epochs)
            if self.session.interrupted():
                return part, parameters, pilot
            self.pilots.append(pilot)
        return None

    def _stage(
        self, stage: str, part: _Part, held: _Held | None, regularization: float, epochs: int
    ) -> tuple[_Parameters, _Pilot]:
        """Run the epochs of a pilot or of the fit; return the last parameters and the best epoch."""
        solver = self.solver
        parameters, done, best = self._begin(stage, regularization)
        for epoch in range(done, epochs):
            if self.session.interrupted() or (held and epoch - best.epochs >= solver.patience):
                break
            started = time.perf_counter()
            rate = solver.learning_rate * (1 - epoch / solver.epochs if solver.decay else 1)
            rng = np.random.default_rng([solver.seed, 4, epoch])
            squares, rows = part.epoch(parameters, rate, 1 - rate * regularization, rng)
            if not isfinite(squares):
                raise SettingsError(
                    f"the fit diverged in epoch {epoch + 1}: lower learning_rate (--learning-rate), now "
                    f"{solver.learning_rate:g}, or look for ratings far off the others with palate check"
                )
            rmse = held.rmse(parameters) if held else None
            if rmse is None or rmse < best.rmse:
                best = _Pilot(regularization, epoch + 1, rmse or 0.0)
            self.session.report(
                Epoch(
                    stage=stage,
                    setting=f"λ = {regularization:g}",
                    number=epoch + 1,
                    of=epochs,
                    rows=rows,
                    training_rmse=part.spread * sqrt(squares / len(part.table[0])),
                    validation_rmse=None if rmse is None else part.spread * rmse,
                    seconds=time.perf_counter() - started,
                )
            )
            self._save(stage, parameters, best, epoch + 1)
        return parameters, best

    def _begin(self, stage: str, regularization: float) -> tuple[_Parameters, int, _Pilot]:
        if self.resumed:
            arrays, state = self.resumed
            if (state["stage"], state["best"][0]) == (stage, regularization):
                self.resumed = None
                return _Parameters(**arrays), state["done"], _Pilot(*state["best"])
        return _Parameters.start(self.solver, *self.shape), 0, _Pilot(regularization, 0, float("inf"))

    def _save(self, stage: str, parameters: _Parameters, best: _Pilot, done: int) -> None:
        state = {
            "stage": stage,
            "done": done,
            "best": best,
            "pilots": self.pilots,
            "history": self.session.plain_history(),
        }
        self.session.checkpoint.save(parameters.arrays(), state, now=self.session.interrupted())

    def _model(self, part: _Part, parameters: _Parameters, chosen: _Pilot) -> Model:
        factors, spread = self.solver.factors, part.spread
        penalty = max(chosen.regularization, _LEAST_PENALTY) if chosen.regularization else _USUAL_REGULARIZATION
        share = np.float32(sqrt(spread))
        user_row, item_row = self.deal.user_row, self.deal.item_row
        return Model(
            users=self.ratings.users,
            items=self.ratings.items,
            intercept=part.center,
            mean=float(self.ratings.rating.mean(dtype=np.float64)),
            user_bias=parameters.user_bias[user_row] * np.float32(spread),
            item_bias=parameters.item_bias[item_row] * np.float32(spread),
            user_factors=parameters.user_factors[user_row, :factors] * share,
            item_factors=parameters.item_factors[item_row, :factors] * share,
            scale=self.ratings.scale,
            seen=self.ratings.by_user,
            # Errors scale with the spread, products of factors too: so the penalty on factors gains one spread.
            penalty=Penalty(penalty * spread, penalty if self.solver.biases else None, by_count=True),
            solver={"name": "sgd", **dataclasses.asdict(self.solver)},
            training={
                "regularization": chosen.regularization,
                "epochs": self.session.history[-1].number if self.session.history else 0,
                "stage": self.session.history[-1].stage if self.session.history else "fit",
                "interrupted": self.session.interrupted(),
                "notes": list(self.ratings.notes),
                "history": self.session.plain_history(),
            },
        )
