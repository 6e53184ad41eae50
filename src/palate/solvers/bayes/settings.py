"""Bayesian matrix factorization by Gibbs sampling: the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from palate.gpu.device import DEVICE_HELP
from palate.solvers.settings import setting
from palate.solvers.solver import Solver

__all__ = ["BayesianMF"]


@dataclass(frozen=True)
class BayesianMF(Solver):
    r"""Matrix factorization averaged over the posterior: the most accurate solver, with nothing to tune.

    Gibbs sampling draws many sets of factors that explain the ratings, instead of a single best one, together with
    their spread and the noise of the ratings. Predictions are averaged over the draws (Salakhutdinov, Mnih 2008,
    "Bayesian probabilistic matrix factorization using Markov chain Monte Carlo"). The average is approximated by one
    product of factors, so the model is as fast as that of any other solver.

    Beyond factors and biases the model has up to four parts (see `palate.solvers.bayes.chain`). The noise may differ by
    user and by item. *Rated sets* let which items a user rated, whatever the ratings, say something about the user's
    taste, and who rated an item about the item. Where people choose what they rate, as with films, all four parts help;
    where they rate what they are shown, as in Jester, some of them cost accuracy. So pilots, short chains that leave
    part of the training ratings out and are judged on it, decide which parts are on, unless the settings do.

    The chain runs for at least 150 sweeps (each draws all unknowns once), 300 on a table of fewer than 200,000 ratings
    or fewer than 20 for each user and item, and ends when more sweeps would gain little. The default of 31 factors is
    15 for a table of fewer than 200,000 ratings and fewer than ten for each user and item, and 47 for one of at least
    500,000 ratings, 1,000 users and 1,000 items.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> ratings = make_ratings(users=200, items=50, ratings=4000, seed=1)
    >>> model = BayesianMF(factors=4, sweeps=20).fit(ratings)
    >>> model.training["sweeps"]
    20
    """

    name = "bayes"
    summary = "the most accurate, with intervals"
    learns_from = ("user", "item")
    goes_on = True
    runs = "palate.solvers.bayes.fit:GibbsFit"

    factors: int = setting(31, "factors of each user and item (k)", least=1, below=1001, search=(8, 128, "log"))
    sweeps: int | None = setting(
        None, "passes that draw all unknowns; if not given, until more would gain little", least=2
    )
    time_budget: float | None = setting(None, "seconds after which no sweep begins", above=0, none="no limit")
    user_noise: bool | None = setting(None, "let the noise of ratings differ between users")
    item_noise: bool | None = setting(None, "let the noise of ratings differ between items")
    user_sets: bool | None = setting(None, "learn about a user from which items were rated, whatever the ratings")
    item_sets: bool | None = setting(None, "learn about an item from who rated it, whatever the ratings")
    user_features: bool | None = setting(None, "learn about users from their attributes, if a table has them")
    item_features: bool | None = setting(None, "learn about items from their attributes, if a table has them")
    seed: int = setting(0, "of all draws", least=0, below=2**63)
    times: bool | None = setting(None, "learn how ratings change with time, where the table has times")
    device: Literal["auto", "cpu", "cuda"] = setting("auto", DEVICE_HELP)
