"""Matrix factorization by stochastic gradient descent."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, SettingsError
from palate.model import Model
from palate.profiles import Penalty
from palate.ratings import Ratings
from palate.solvers.settings import check, setting
from palate.solvers.training import Checkpoint, Epoch, Progress, fingerprint, interruptible
from palate.threads import Run, pool

if TYPE_CHECKING:
    from palate.solvers.blocks import Blocks, Deal

__all__ = ["SGD"]

Floats = NDArray[np.float32]

# What a pilot tries where the regularization is not given; on standardized ratings the best one is within this range
# for tables as different as jokes on a slider (0.05) and films on five stars (0.1).
_REGULARIZATIONS = (0.04, 0.055, 0.075, 0.1, 0.13)
_USUAL_REGULARIZATION = 0.075
# Fewer validation ratings than this would choose by chance.
_FEWEST_VALIDATION = 50


@dataclass(frozen=True)
class SGD:
    r"""Biased matrix factorization, fitted rating by rating.

    A rating is predicted as :math:`\mu + b_u + b_i + p_u \cdot q_i`. Each step moves the parameters of one rating
    against the gradient of

    .. math:: \tfrac12 (r_{ui} - \hat r_{ui})^2 + \tfrac\lambda2 (b_u^2 + b_i^2 + |p_u|^2 + |q_i|^2)

    on standardized ratings, so that learning rate and regularization mean the same on any rating scale (Funk 2006;
    Koren, Bell, Volinsky 2009, "Matrix factorization techniques for recommender systems").

    Part of the training ratings is first left out to choose the regularization and the number of epochs; the model is
    then fitted on all of them. The result is the same, bit for bit, on any number of threads.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> ratings = make_ratings(users=200, items=50, ratings=4000, seed=1)
    >>> model = SGD(factors=4, epochs=10).fit(ratings)
    >>> model.user_factors.shape, model.item_factors.shape
    ((200, 4), (50, 4))
    """

    factors: int = setting(16, "factors of each user and item (k)", least=0)
    biases: bool = setting(True, "learn how far each user and item lies above or below the mean")
    epochs: int = setting(40, "passes over the ratings, at most", least=1)
    learning_rate: float = setting(0.03, "length of the first steps, on standardized ratings", above=0)
    decay: bool = setting(True, "let the learning rate fall in a straight line to zero over the epochs")
    regularization: float | None = setting(
        None, "pull towards zero; chosen on the validation part if not given", least=0
    )
    batch_size: int = setting(1, "ratings whose gradients are averaged in one step", least=1)
    initialization: Literal["normal", "xavier"] = setting(
        "normal", "first factors: N(0, 0.1²), or uniform after Glorot"
    )
    scaling: Literal["standard", "unit"] = setting(
        "standard", "fit on (r - mean) / std, or on the scale mapped to -1..1"
    )
    validation: float = setting(0.1, "share of the ratings that chooses regularization and epochs", least=0, below=1)
    patience: int = setting(10, "stop after so many epochs without a better validation RMSE", least=1)
    seed: int = setting(0, "of the validation part, the first factors and the order of the steps", least=0)

    @classmethod
    def article(cls) -> Self:
        """The configuration of the 2018 article that palate started from.

        No biases, Xavier initialization, mini-batches of 64 with the gradient averaged, learning rate 0.05, 10 epochs,
        squared loss without regularization, ratings scaled to -1..1.
        """
        return cls(
            biases=False,
            epochs=10,
            learning_rate=0.05,
            decay=False,
            regularization=0.0,
            batch_size=64,
            initialization="xavier",
            scaling="unit",
            validation=0.0,
        )

    def fit(
        self,
        ratings: Ratings,
        *,
        threads: int | None = None,
        progress: Progress | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
    ) -> Model:
        """Fit a model.

        Parameters
        ----------
        ratings
            The training table. Ids without ratings are left out of the model.
        threads
            How many, by default one for each available core. Does not change the result.
        progress
            Called with an `Epoch` after each one.
        checkpoint
            A file that is replaced after each epoch, or twice a second where epochs are shorter.
        resume
            Go on from the checkpoint if it exists; the model is then the same as that of an uninterrupted fit.

        Returns
        -------
        Model
            Ctrl-C ends the fit after the running epoch and returns what has been reached; `training["interrupted"]`
            tells.

        Raises
        ------
        DataError
            If there are no ratings.
        SettingsError
            If the settings do not fit together or the steps are so long that the fit diverges.
        StorageError
            If the checkpoint belongs to another fit or cannot be written.
        """
        check(self)
        ratings = ratings.compact()
        if not len(ratings):
            raise DataError("there are no ratings to fit")
        if not np.isfinite(ratings.rating).all():
            raise DataError("the table holds NaN or infinite ratings: read it with on_error='skip' to leave them out")
        kept = Checkpoint(checkpoint, fingerprint(self, ratings) if checkpoint else "")
        with pool(threads) as run, interruptible() as interrupted:
            return _Fit(self, ratings, run, progress, kept, interrupted).go(resume)


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
    from palate.kernels.simd import LANES

    return -(-factors // LANES) * LANES


class _Part:
    """Ratings to train on, scaled, in the order in which kernels want them. Users and items go by rows."""

    def __init__(self, solver: SGD, ratings: Ratings, deal: Deal, run: Run, stage: int) -> None:
        from palate.solvers.blocks import Blocks

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
        from palate.kernels.sgd import descend, descend_in_batches

        parameters = *at.arrays().values(), np.float32(rate), np.float32(keep), self.solver.biases
        if self.blocks is None:
            order = rng.permutation(len(self.table[0]))
            squares = descend_in_batches(*self.table, order, self.solver.batch_size, *parameters)
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
        from palate.kernels.sgd import squared_error

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


class _Fit:
    """One fit: pilots on part of the ratings, then the fit on all of them."""

    def __init__(
        self,
        solver: SGD,
        ratings: Ratings,
        run: Run,
        progress: Progress | None,
        checkpoint: Checkpoint,
        interrupted: Callable[[], bool],
    ) -> None:
        from palate.solvers.blocks import Deal

        self.solver, self.ratings, self.run = solver, ratings, run
        self.shape = len(ratings.users), len(ratings.items)
        self.deal = Deal.of(ratings, _padded(solver.factors))
        self.progress, self.checkpoint, self.interrupted = progress, checkpoint, interrupted
        self.pilots: list[_Pilot] = []
        self.history: list[Epoch] = []
        self.resumed: tuple[dict[str, Any], dict[str, Any]] | None = None

    def go(self, resume: bool) -> Model:
        self.resumed = self.checkpoint.load() if resume else None
        if self.resumed:
            _, state = self.resumed
            self.pilots = [_Pilot(*pilot) for pilot in state["pilots"]]
            self.history = [Epoch(**epoch) for epoch in state["history"]]
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
        rng = np.random.default_rng([self.solver.seed, 3])
        rows = rng.random(len(self.ratings)) < self.solver.validation
        if rows.sum() < _FEWEST_VALIDATION or rows.all():
            rows[:] = False
        return rows

    def _pilot(self, validation: NDArray[np.bool_]) -> tuple[_Part, _Parameters, _Pilot] | None:
        """Run the pilots that are still to be run; return what has been reached if one was interrupted."""
        given = self.solver.regularization
        declared = dataclasses.replace(self.ratings, declared_scale=self.ratings.scale)
        part = _Part(self.solver, declared.take(~validation), self.deal, self.run, stage=0)
        held = _Held(declared.take(validation), part, self.deal, self.run)
        for regularization in _REGULARIZATIONS if given is None else (given,):
            if any(pilot.regularization == regularization for pilot in self.pilots):
                continue
            parameters, pilot = self._stage("pilot", part, held, regularization, self.solver.epochs)
            if self.interrupted():
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
            if self.interrupted() or (held and epoch - best.epochs >= solver.patience):
                break
            started = time.perf_counter()
            rate = solver.learning_rate * (1 - epoch / solver.epochs if solver.decay else 1)
            rng = np.random.default_rng([solver.seed, 4, epoch])
            squares, rows = part.epoch(parameters, rate, 1 - rate * regularization, rng)
            if not isfinite(squares):
                raise SettingsError(
                    f"the fit diverged in epoch {epoch + 1}: lower learning_rate={solver.learning_rate}"
                )
            rmse = held.rmse(parameters) if held else None
            if rmse is None or rmse < best.rmse:
                best = _Pilot(regularization, epoch + 1, rmse or 0.0)
            self._report(
                Epoch(
                    stage=stage,
                    number=epoch + 1,
                    of=epochs,
                    rows=rows,
                    training_rmse=part.spread * sqrt(squares / len(part.table[0])),
                    validation_rmse=None if rmse is None else part.spread * rmse,
                    regularization=regularization,
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

    def _report(self, epoch: Epoch) -> None:
        self.history.append(epoch)
        if self.progress:
            self.progress(epoch)

    def _save(self, stage: str, parameters: _Parameters, best: _Pilot, done: int) -> None:
        history = [dataclasses.asdict(epoch) for epoch in self.history]
        state = {"stage": stage, "done": done, "best": best, "pilots": self.pilots, "history": history}
        self.checkpoint.save(parameters.arrays(), state, now=self.interrupted())

    def _model(self, part: _Part, parameters: _Parameters, chosen: _Pilot) -> Model:
        factors, spread = self.solver.factors, part.spread
        penalty = chosen.regularization or _USUAL_REGULARIZATION
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
                "epochs": sum(epoch.stage == "fit" for epoch in self.history),
                "interrupted": self.interrupted(),
                "notes": list(self.ratings.notes),
                "history": [dataclasses.asdict(epoch) for epoch in self.history],
            },
        )
