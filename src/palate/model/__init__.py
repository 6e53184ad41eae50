"""The fitted model: arrays and ids, and a method for each question that it answers, whichever solver made it.

`arrays` holds the data, `model` the methods. Each method calls the function of its name in the file of its name; these
functions take the data. `row_solve` has the equations of one user, `uncertainty` the variance of predictions, `lookup`
the way from ids to indices and back.
"""

from __future__ import annotations

from palate.model.arrays import Predicts
from palate.model.attribute_weights import AttributeContribution, AttributeWeights
from palate.model.explain import Contribution, Explanation
from palate.model.model import Model
from palate.model.profile import Profile
from palate.model.row_solve import FactorPrior, RidgePenalty
from palate.model.uncertainty import Posterior, Prediction
from palate.ranking import Scored

__all__ = [
    "AttributeContribution",
    "AttributeWeights",
    "Contribution",
    "Explanation",
    "FactorPrior",
    "Model",
    "Posterior",
    "Prediction",
    "Predicts",
    "Profile",
    "RidgePenalty",
    "Scored",
]
