"""Weights between items, learned from what people chose: the settings."""

from __future__ import annotations

from dataclasses import dataclass

from palate.solvers.settings import setting
from palate.solvers.solver import Solver

__all__ = ["EASE"]


@dataclass(frozen=True)
class EASE(Solver):
    r"""A linear autoencoder of choices: how much the choice of one item speaks for another, in closed form.

    With X the table of users and items that holds 1 for each choice, the scores X B minimize

    .. math:: \|D^{1/2} (X - X B)\|^2 + \sum_i (\lambda + \tfrac{p}{1 - p} g_i) \sum_j B_{ij}^2
              \quad\text{with}\quad B_{jj} = 0,

    where D holds the weights of users, in proportion to :math:`n_u^{-\beta}` and 1 on average over choices, and
    :math:`g_i = (X^T D X)_{ii}`. With P the inverse of :math:`X^T D X + \mathrm{diag}(\lambda + \tfrac{p}{1 - p} g)`,
    the solution is :math:`B_{ij} = -P_{ij} / P_{jj}` (Steck 2019, "Embarrassingly shallow autoencoders for sparse
    data"). The pull that grows with an item's choices is what `dropout` of choices comes to on average (Steck 2020,
    "Autoencoders that don't overfit towards the identity").

    Weights that lead to an item without choices come from its attributes, if they are known: see
    `palate.solvers.ease.unchosen`.

    The matrix of all pairs of items is held in memory, so this is for catalogues of up to about 20,000 items. A model
    keeps its strongest weights alone.

    Examples
    --------
    >>> from palate.datasets import make_ratings
    >>> model = EASE(regularization=50).fit(make_ratings(users=200, items=50, ratings=4000, seed=1))
    >>> len(model.recommend(1, 3))
    3
    """

    name = "ease"
    summary = "from choices alone, by weights between items"
    goes_on = True
    learns_from = ("item",)
    runs = "palate.solvers.ease.fit:EASEFit"
    predicts = "choice"

    regularization: float | None = setting(
        None, "pull of all weights towards zero", above=0, none="chosen by NDCG@10", search=(20, 3000, "log")
    )
    dropout: float = setting(
        0.5, "share of choices whose loss the weights must withstand", least=0, below=1, search=(0, 0.9)
    )
    exponent: float = setting(
        0.5, "power of a user's number of choices that the user's weight falls with", least=0, search=(0, 1)
    )
    liked: float | None = setting(None, "rating from which a pair is a choice", none="every rated pair is one")
    weights: int = setting(400, "weights that are kept of each item, on average", least=1)
    seed: int = setting(0, "of the choices held out to choose the regularization", least=0, below=2**63)
