"""Matrix factorization by alternating least squares: the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from palate.gpu.device import DEVICE_HELP
from palate.solvers.settings import setting
from palate.solvers.solver import Solver

__all__ = ["ALS"]


@dataclass(frozen=True)
class ALS(Solver):
    r"""Biased matrix factorization by alternating least squares.

    A rating is predicted as :math:`\mu + b_u + b_i + p_u \cdot q_i`. While the users' factors and biases stay fixed,
    those of each item are the solution of a small system of linear equations, and the other way round. A sweep solves
    for all items and then for all users. No half of a sweep increases

    .. math:: \sum (r_{ui} - \hat r_{ui})^2 + \lambda \sum_u n_u (b_u^2 + |p_u|^2)
              + \lambda \sum_i n_i (b_i^2 + |q_i|^2)

    on standardized ratings. With `weighted` the penalty grows with the number n of ratings of a user or item, as
    written here (Zhou, Wilkinson, Schreiber, Pan 2008, "Large-scale parallel collaborative filtering for the Netflix
    Prize"); without it, n is replaced by 1.

    Pilots first choose the regularization and the number of sweeps: short fits that leave part of the training ratings
    out and are judged on it. The model is then fitted on all training ratings. The result is the same, bit for bit, on
    any number of threads.

    With `nonnegative` no user factor and no item factor is below zero. A factor is then a property that an item has
    more or less of and that a user likes more or less. The mean and the biases may have any sign, and they alone can
    lower a prediction. Each row is solved by coordinate descent (Franc, Hlavac, Navara 2005), and so are the factors of
    new users.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> ratings = make_ratings(users=200, items=50, ratings=4000, seed=1)
    >>> model = ALS(factors=7, nonnegative=True).fit(ratings)
    >>> bool((model.user_factors >= 0).all() and (model.item_factors >= 0).all())
    True
    """

    name = "als"
    summary = "alternating least squares"
    learns_from = ("user", "item")
    goes_on = True
    runs = "palate.solvers.als.fit:ALSFit"

    factors: int = setting(15, "factors of each user and item (k)", least=1, below=1001, search=(4, 128, "log"))
    regularization: float | None = setting(
        None,
        "penalty on factors and biases; chosen on the validation part if not given",
        above=0,
        search=(0.003, 0.3, "log"),
    )
    weighted: bool = setting(True, "let the penalty grow with the number of ratings of a user or item", search=True)
    nonnegative: bool = setting(False, "keep all factors (not the biases) at or above zero")
    sweeps: int = setting(30, "passes over items and users, at most", least=1)
    validation: float = setting(
        0.1,
        "share of the ratings left out of pilots, short fits that choose regularization and sweeps",
        least=0,
        below=1,
    )
    patience: int = setting(3, "end a pilot after this many sweeps without a better validation RMSE", least=1)
    seed: int = setting(0, "of the validation part and the first factors", least=0, below=2**63)
    device: Literal["auto", "cpu", "cuda"] = setting("auto", DEVICE_HELP)
