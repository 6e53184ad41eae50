"""Stochastic gradient descent at work: passes over blocks, or mini-batches, of scaled ratings."""

from __future__ import annotations

from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.gpu.descent import descend_in_batches as descend_on_card
from palate.gpu.pool import DevicePool
from palate.kernels.sgd import descend, descend_in_batches, squared_error
from palate.model import Model
from palate.model.row_solve import RidgePenalty
from palate.parallel import Run
from palate.ratings import Ratings, Vocabulary
from palate.solvers.half_step import center_and_spread, padded_width
from palate.solvers.regularization_search import Parameters, RegularizedFit, TrainingProblem
from palate.solvers.session import Session
from palate.solvers.sgd.settings import SGD
from palate.solvers.sgd.stripes import Blocks, Stripes
from palate.solvers.warm_start import model_rows

__all__ = ["SGDFit", "SGDProblem"]

Floats = NDArray[np.float32]

# The regularizations that pilots try. On standardized ratings the best one is in this range for tables as different as
# jokes rated with a slider (0.05) and films rated with stars (0.1).
_CANDIDATES = (0.04, 0.055, 0.075, 0.1, 0.13)
_DEFAULT_REGULARIZATION = 0.075
# With a smaller penalty the equations of a fold-in may have no solution.
_LEAST_PENALTY = 1e-4
# This many validation ratings are judged at a time.
_CHUNK = 1 << 16


class SGDProblem(TrainingProblem):
    """Scaled ratings in the order in which the kernels visit them.

    The parameters are "user_factors" and "item_factors", float32 (rows, d) with k factors and padding, and "user_bias"
    and "item_bias", float32 (rows,). Their rows are those of `Stripes`.
    """

    def __init__(self, solver: SGD, ratings: Ratings, validation: Ratings | None, stripes: Stripes, run: Run) -> None:
        self.solver, self.run, self.stripes = solver, run, stripes
        self.center, self.spread = _center_and_spread(solver, ratings)
        self.blocks: Blocks | None = None
        if solver.batch_size > 1:
            self.columns = self._scaled_columns(ratings)
        else:
            rng = np.random.default_rng([solver.seed, 2, 1 if validation is None else 0])
            self.blocks = Blocks.cut(stripes, ratings, self.center, self.spread, rng, run)
            self.columns = self.blocks.user, self.blocks.item, self.blocks.rating
        if validation is not None:
            self.validation = self._scaled_columns(validation)
            scale = ratings.scale
            self.limits = [np.float32((end - self.center) / self.spread) for end in (scale.low, scale.high)]

    def _scaled_columns(self, ratings: Ratings) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
        """Return the user rows, item rows and scaled ratings of a table."""
        scaled = (ratings.rating - np.float32(self.center)) * np.float32(1 / self.spread)
        return self.stripes.user_row[ratings.user], self.stripes.item_row[ratings.item], scaled

    def start(self) -> Parameters:
        """Return random factors and biases of 0."""
        solver, rng = self.solver, np.random.default_rng([self.solver.seed, 1])
        users, items = len(self.stripes.user_row), len(self.stripes.item_row)
        factors = []
        for rows in (users, items):
            shape = (rows, solver.factors)
            if solver.initialization == "xavier":
                bound = sqrt(6 / (rows + solver.factors))
                values = rng.uniform(-bound, bound, shape)
            else:
                values = rng.normal(0, 0.1, shape)
            factors.append(np.zeros((rows, padded_width(solver.factors)), np.float32))
            factors[-1][:, : solver.factors] = values
        return {
            "user_factors": factors[0],
            "item_factors": factors[1],
            "user_bias": np.zeros(users, np.float32),
            "item_bias": np.zeros(items, np.float32),
        }

    def start_from(self, model: Model, users: Vocabulary, items: Vocabulary) -> Parameters:
        """Return the parameters of a model, for these ids; those of ids that it lacks are as in `start`."""
        parameters, k = self.start(), self.solver.factors
        for name, ids, row in (
            ("user", users, self.stripes.user_row),
            ("item", items, self.stripes.item_row),
        ):
            known, factors, bias = model_rows(model, f"{name}s", ids)
            parameters[f"{name}_factors"][row[known], :k] = factors / np.float32(sqrt(self.spread))
            parameters[f"{name}_bias"][row[known]] = bias / np.float32(self.spread)
        return parameters

    def epoch(self, parameters: Parameters, regularization: float, number: int) -> tuple[float, int]:
        """Make one pass over the ratings, in place; return the mean squared error and the number of rows trained on."""
        solver = self.solver
        rate = solver.learning_rate * (1 - number / solver.epochs if solver.decay else 1)
        rng = np.random.default_rng([solver.seed, 4, number])
        squares, rows = self._descend(parameters, rate, 1 - rate * regularization, rng)
        if not isfinite(squares):
            raise SettingsError(
                f"the fit diverged in epoch {number + 1}: lower learning_rate (--learning-rate), now "
                f"{solver.learning_rate:g}, or look for ratings far off the others with palate check"
            )
        return squares / len(self.columns[0]), rows

    def _descend(
        self, parameters: Parameters, rate: float, decay: float, rng: np.random.Generator
    ) -> tuple[float, int]:
        """Make one pass; return the sum of squared errors on the scaled ratings, and the distinct rows trained on."""
        arguments = *_in_order(parameters), np.float32(rate), np.float32(decay), self.solver.biases
        if self.blocks is None:
            order = rng.permutation(len(self.columns[0]))
            batches = *self.columns, order, min(self.solver.batch_size, len(order)), *arguments
            if isinstance(self.run, DevicePool):
                return descend_on_card(self.run.rows.device, *batches), len(np.unique(order))
            return descend_in_batches(*batches), len(np.unique(order))
        width = (0,) * parameters["user_factors"].shape[1]
        squares, rows = 0.0, 0
        table = self.blocks
        keys = rng.integers(np.iinfo(np.int64).max, size=table.stripes**2)  # another order of every block each epoch

        def descend_block(block: int) -> tuple[float, int]:
            columns = table.shuffled(block, keys[block])
            size = len(columns[0])
            return descend(*columns, 0, size, *arguments, width), size

        for blocks in table.rounds(rng):
            for error, size in self.run(descend_block, blocks):
                squares += error
                rows += size  # blocks do not overlap
        return squares, rows

    def validation_rmse(self, parameters: Parameters) -> float:
        """Return the RMSE of predictions, clipped to the rating scale, on the validation part."""
        arrays, width = _in_order(parameters), (0,) * parameters["user_factors"].shape[1]
        size = len(self.validation[0])
        chunks = [(start, min(start + _CHUNK, size)) for start in range(0, size, _CHUNK)]
        squares = self.run(lambda chunk: squared_error(*self.validation, *chunk, *arrays, *self.limits, width), chunks)
        return sqrt(sum(squares) / size)


def _center_and_spread(solver: SGD, ratings: Ratings) -> tuple[float, float]:
    if solver.scaling == "unit":
        return (ratings.scale.low + ratings.scale.high) / 2, ratings.scale.width / 2 or 1.0
    return center_and_spread(ratings.rating)


def _in_order(parameters: Parameters) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the parameters in the order in which the kernels take them."""
    return parameters["user_factors"], parameters["item_factors"], parameters["user_bias"], parameters["item_bias"]


class SGDFit(RegularizedFit):
    """One fit."""

    solver: SGD

    def __init__(self, solver: SGD, session: Session) -> None:
        if solver.device == "cuda" and solver.batch_size == 1:
            raise SettingsError(
                "with batch_size=1 each step waits for the one before, and a graphics card gains nothing: choose "
                "device='cpu', or a batch_size of thousands"
            )
        super().__init__(solver, session, solver.epochs, _DEFAULT_REGULARIZATION, _CANDIDATES)
        self.stripes = Stripes.of(session.ratings, padded_width(solver.factors))

    def problem(self, ratings: Ratings, validation: Ratings | None) -> TrainingProblem:
        """Prepare ratings for training, and the validation part."""
        return SGDProblem(self.solver, ratings, validation, self.stripes, self.session.run)

    def model(self, problem: TrainingProblem, parameters: Parameters, regularization: float) -> Model:
        """Return the model of these parameters, in units of the ratings."""
        k, spread = self.solver.factors, problem.spread
        penalty = max(regularization, _LEAST_PENALTY) if regularization else _DEFAULT_REGULARIZATION
        root = np.float32(sqrt(spread))
        user_row, item_row = self.stripes.user_row, self.stripes.item_row
        return Model(
            users=self.ratings.users,
            items=self.ratings.items,
            intercept=problem.center,
            mean=float(self.ratings.rating.mean(dtype=np.float64)),
            user_bias=parameters["user_bias"][user_row] * np.float32(spread),
            item_bias=parameters["item_bias"][item_row] * np.float32(spread),
            user_factors=parameters["user_factors"][user_row, :k] * root,
            item_factors=parameters["item_factors"][item_row, :k] * root,
            scale=self.ratings.scale,
            seen=self.ratings.by_user,
            # In units of the ratings, squared errors grow by spread^2 and squared factors by spread: so the penalty on
            # factors grows by spread, and that on biases stays.
            penalty=RidgePenalty(penalty * spread, penalty if self.solver.biases else None, by_count=True),
            training=self.training_record(regularization),
        )
