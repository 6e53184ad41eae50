"""The fitted thing: immutable arrays plus ids, which answers every question whichever solver made it."""

from __future__ import annotations

from palate.model.batch import Batches
from palate.model.fold_in import Folding
from palate.model.parts import Predicts
from palate.model.predict import Predicting
from palate.model.recommend import Recommending
from palate.model.row_solve import Explanation
from palate.model.similar import Similarity
from palate.ranking import Scored

__all__ = ["Explanation", "Model", "Predicts", "Scored"]


class Model(Predicting, Recommending, Batches, Similarity, Folding):
    r"""A fitted model: :math:`\hat r_{ui} = \mu + b_u + b_i + p_u \cdot q_i`, clipped to the rating scale.

    Parameters
    ----------
    users, items
        The ids that have factors: those that were rated in the training part.
    intercept
        The constant :math:`\mu`, on the rating scale like everything here.
    mean
        The mean training rating, which stands in where nothing else is known.
    user_bias, item_bias
        float32, (users,) and (items,).
    user_factors, item_factors
        float32, (users, k) and (items, k).
    scale
        The rating scale; predictions are clipped to it.
    seen
        The training ratings by user. Without them nothing is left out of recommendations and nothing is explained.
    catalogue
        Titles and texts. Items that are only listed there were never rated and have no score.
    penalty
        With which a new user's factors are found, where there is no posterior.
    posterior
        How sure predictions are, and the priors of new users and items; None where the solver does not tell.
    solver, training
        The solver's name and settings, and how the fit went.
    predicts
        What the scores are: "rating", or "choice" (how likely a user chooses an item; no errors can be reported).
    """
