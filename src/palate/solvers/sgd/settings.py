"""Matrix factorization by stochastic gradient descent: the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from palate.gpu.device import DEVICE_HELP
from palate.solvers.settings import setting
from palate.solvers.solver import Solver

__all__ = ["SGD"]


@dataclass(frozen=True)
class SGD(Solver):
    r"""Biased matrix factorization by stochastic gradient descent.

    A rating is predicted as :math:`\mu + b_u + b_i + p_u \cdot q_i`. Each step moves the parameters of one rating
    against the gradient of

    .. math:: \tfrac12 (r_{ui} - \hat r_{ui})^2 + \tfrac\lambda2 (b_u^2 + b_i^2 + |p_u|^2 + |q_i|^2)

    on standardized ratings, so that learning rate and regularization mean the same on any rating scale (Funk 2006;
    Koren, Bell, Volinsky 2009, "Matrix factorization techniques for recommender systems").

    Pilots first choose the regularization and the number of epochs: short fits that leave part of the training ratings
    out and are judged on it. The model is then fitted on all training ratings. The result is the same, bit for bit, on
    any number of threads.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> ratings = make_ratings(users=200, items=50, ratings=4000, seed=1)
    >>> model = SGD(factors=4, epochs=10).fit(ratings)
    >>> model.user_factors.shape, model.item_factors.shape
    ((200, 4), (50, 4))
    """

    name = "sgd"
    summary = "the fastest: stochastic gradient descent"
    goes_on = True
    runs = "palate.solvers.sgd.fit:SGDFit"

    factors: int = setting(16, "factors of each user and item (k)", least=0, below=1001, search=(4, 128, "log"))
    biases: bool = setting(True, "learn how far each user and item lies above or below the mean")
    epochs: int = setting(40, "passes over the ratings, at most", least=1, below=2**31)
    learning_rate: float = setting(
        0.03, "length of the first steps, on standardized ratings", above=0, search=(0.003, 0.1, "log")
    )
    decay: bool = setting(True, "let the learning rate fall in a straight line to zero over the epochs")
    regularization: float | None = setting(
        None,
        "penalty on factors and biases; chosen on the validation part if not given",
        least=0,
        search=(0.003, 0.3, "log"),
    )
    batch_size: int = setting(1, "ratings whose gradients are averaged in one step", least=1, below=2**31)
    initialization: Literal["normal", "xavier"] = setting(
        "normal", "first factors: normal with deviation 0.1, or uniform (Glorot and Bengio 2010)"
    )
    scaling: Literal["standard", "unit"] = setting(
        "standard", "fit on (r - mean) / std, or on the scale mapped to -1..1"
    )
    validation: float = setting(
        0.1,
        "share of the ratings left out of pilots, short fits that choose regularization and epochs",
        least=0,
        below=1,
    )
    patience: int = setting(10, "end a pilot after this many epochs without a better validation RMSE", least=1)
    device: Literal["auto", "cpu", "cuda"] = setting("auto", DEVICE_HELP)
    seed: int = setting(0, "of the validation part, the first factors and the order of the steps", least=0, below=2**63)

    def products(self, ratings: int) -> float:
        """Return about how many products of two numbers a step takes: those of a batch."""
        return float(min(ratings, self.batch_size) * (self.factors + 1)) if self.batch_size > 1 else 0.0

    @classmethod
    def article(cls) -> Self:
        """Return the configuration of the 2018 article that palate started from.

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
