"""Matrix factorization by alternating least squares: the settings."""

from __future__ import annotations

from dataclasses import dataclass

from palate.solvers.settings import setting
from palate.solvers.solver import Solver

__all__ = ["ALS"]


@dataclass(frozen=True)
class ALS(Solver):
    r"""Biased matrix factorization, fitted by solving for users and items by turns.

    A rating is predicted as :math:`\mu + b_u + b_i + p_u \cdot q_i`. With the users' side held fast, the best item
    factors and biases are solutions of small linear equations, and the other way round; no half of a sweep lets

    .. math:: \sum (r_{ui} - \hat r_{ui})^2 + \lambda \sum_u n_u (b_u^2 + |p_u|^2)
              + \lambda \sum_i n_i (b_i^2 + |q_i|^2)

    on standardized ratings rise. `weighted` lets the pull grow with the number of ratings n, as written here (Zhou,
    Wilkinson, Schreiber, Pan 2008, "Large-scale parallel collaborative filtering for the Netflix Prize"); without it n
    is 1.

    Part of the training ratings is first left out to choose the regularization and the number of sweeps; the model is
    then fitted on all of them. The result is the same, bit for bit, on any number of threads.

    With `nonnegative` no user factor and no item factor is below zero, so that a factor is something that an item has
    more or less of and a user likes more or less. Biases and the mean are free: what a user or an item lies below the
    mean is said by them. Each row is found by coordinate descent (Franc, Hlavac, Navara 2005), and so are those of new
    users.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> ratings = make_ratings(users=200, items=50, ratings=4000, seed=1)
    >>> model = ALS(factors=7, nonnegative=True).fit(ratings)
    >>> bool((model.user_factors >= 0).all() and (model.item_factors >= 0).all())
    True
    """

    name = "als"
    summary = "least squares for users and items by turns"
    runs = "palate.solvers.als.fit:ALSFit"

    factors: int = setting(15, "factors of each user and item (k)", least=1, below=1001, search=(4, 128, "log"))
    regularization: float | None = setting(
        None, "pull towards zero; chosen on the validation part if not given", above=0, search=(0.003, 0.3, "log")
    )
    weighted: bool = setting(True, "let the pull grow with the number of ratings of a user or item", search=True)
    nonnegative: bool = setting(False, "keep all factors (not the biases) at or above zero")
    sweeps: int = setting(30, "turns of items and users, at most", least=1)
    validation: float = setting(0.1, "share of the ratings that chooses regularization and sweeps", least=0, below=1)
    patience: int = setting(3, "stop after so many sweeps without a better validation RMSE", least=1)
    seed: int = setting(0, "of the validation part and the first factors", least=0, below=2**63)
