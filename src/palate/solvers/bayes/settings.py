"""Bayesian matrix factorization by Gibbs sampling: the settings."""

from __future__ import annotations

from dataclasses import dataclass

from palate.solvers.settings import setting
from palate.solvers.solver import Solver

__all__ = ["BayesianMF"]


@dataclass(frozen=True)
class BayesianMF(Solver):
    r"""Matrix factorization averaged over the posterior: the most accurate solver, with nothing to tune.

    Instead of the one best set of factors, Gibbs sampling draws many that explain the ratings, together with their own
    spread and the noise, and predictions are averaged over them (Salakhutdinov, Mnih 2008). The average is collapsed
    into one product of factors again, so the model is as quick as any.

    Beyond plain factors and biases the noise may differ by user and by item, and *who rated what* may say something
    about a user's taste and an item's audience (rated sets, see `palate.solvers.bayes.chain`). Where people choose what
    they rate, as with films, all of it helps; where they rate what they are shown, as in Jester, some of it costs
    accuracy. So short pilots decide which of these parts are on, on ratings held out of the training part, unless they
    are given.

    The chain runs for at least 300 sweeps and ends when little of the error is left that more would take away.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> ratings = make_ratings(users=200, items=50, ratings=4000, seed=1)
    >>> model = BayesianMF(factors=4, sweeps=20).fit(ratings)
    >>> model.training["sweeps"]
    20
    """

    name = "bayes"
    summary = "most accurately, with intervals"
    runs = "palate.solvers.bayes.fit:GibbsFit"

    factors: int = setting(31, "factors of each user and item (k)", least=1, below=1001, search=(8, 128, "log"))
    sweeps: int | None = setting(None, "draws of all parameters; by default as many as are worth it", least=2)
    time_budget: float | None = setting(None, "seconds after which no more sweep begins", above=0, none="no limit")
    user_noise: bool | None = setting(None, "let the noise differ between users")
    item_noise: bool | None = setting(None, "let the noise differ between items")
    user_sets: bool | None = setting(None, "learn about a user from which items were rated")
    item_sets: bool | None = setting(None, "learn about an item from who rated it")
    seed: int = setting(0, "of all draws", least=0, below=2**63)
