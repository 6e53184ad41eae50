"""Matrix factorization of choices, whatever their ratings: the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from palate.gpu.device import DEVICE_HELP
from palate.solvers.settings import setting
from palate.solvers.solver import Solver

__all__ = ["ImplicitALS"]


@dataclass(frozen=True)
class ImplicitALS(Solver):
    r"""Matrix factorization of choices: it learns that a user chose an item, whatever the rating.

    Where ratings follow from what people did (bought, heard, opened), the missing pairs are information too. The scores
    :math:`s_{ui} = p_u \cdot q_i` minimize

    .. math:: \sum_{(u,i) \in S} c_{ui} (1 - s_{ui})^2 + \alpha_0 \sum_{u,i} s_{ui}^2
              + \lambda \sum_u (n_u + \alpha_0 m)^\nu |p_u|^2 + \lambda \sum_i (n_i + \alpha_0 n)^\nu |q_i|^2

    over the rated pairs S and all pairs of the n users and m items. A sweep solves for all items and then for all users
    (Hu, Koren, Volinsky 2008, "Collaborative filtering for implicit feedback datasets", in the form and with the
    penalty of Rendle, Krichene, Zhang, Koren 2021, "Revisiting the performance of iALS on item recommendation
    benchmarks"). The sum over all pairs gives the same matrix for every row, so it costs little.

    Every pair in the table is a choice, also with a low or negative rating; with `liked` only pairs with this rating or
    more are. With `confidence` the weight c is the rating, such as a number of plays, divided by the mean rating of the
    choices; all must then be above zero. Without it c is 1.

    From the second sweep on but not in the last, a row goes half as far again as its equations say (successive
    over-relaxation with the factor 1.5; Young 1954): no half-step raises the objective, and about half the sweeps reach
    the same objective.

    The regularization and the weight of unobserved pairs are chosen on a tenth of the choices, if they are not given.

    The model's scores are **not ratings**: they are mostly between 0 and 1, they rank items by how likely they are to
    be chosen, and there are no biases. `Model.predict` clips them to 0..1, `Model.fold_in` takes the chosen items with
    ratings as in the table, and `palate.evaluate` has no errors to report for them.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> ratings = make_ratings(users=200, items=50, ratings=4000, seed=1)
    >>> model = ImplicitALS(factors=8).fit(ratings)
    >>> 0 <= model.predict(1, 1) <= 1
    True
    """

    name = "implicit"
    summary = "from choices alone: what was chosen, whatever the rating"
    learns_from = ("user", "item")
    goes_on = True
    runs = "palate.solvers.implicit.fit:ImplicitFit"
    predicts = "choice"

    factors: int = setting(64, "factors of each user and item (k)", least=1, below=1001, search=(16, 256, "log"))
    regularization: float | None = setting(
        None, "penalty on factors", above=0, none="chosen by NDCG@10", search=(0.001, 0.3, "log")
    )
    unobserved: float | None = setting(
        None,
        "weight of every pair as not chosen, beside 1 of a rated one",
        above=0,
        none="chosen by NDCG@10",
        search=(0.01, 1, "log"),
    )
    exponent: float = setting(
        1.0, "power of a row's weights that its penalty grows with", least=0, below=2, search=(0, 1.5)
    )
    liked: float | None = setting(None, "rating from which a pair is a choice", none="every rated pair is one")
    confidence: bool = setting(False, "take the rating, above zero, as the weight of a rated pair")
    sweeps: int = setting(8, "passes over items and users", least=1)
    seed: int = setting(0, "of the first factors, and of what is held out", least=0, below=2**63)
    device: Literal["auto", "cpu", "cuda"] = setting("auto", DEVICE_HELP)
