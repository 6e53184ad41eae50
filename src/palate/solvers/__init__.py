"""Ways to fit a model. A solver is a frozen dataclass of its settings with ``fit(ratings) -> Model``."""

from __future__ import annotations

from palate.solvers.als import ALS
from palate.solvers.bayes import BayesianMF
from palate.solvers.implicit import ImplicitALS
from palate.solvers.means import BASELINES, Means
from palate.solvers.settings import Setting, settings
from palate.solvers.sgd import SGD
from palate.solvers.training import Epoch

__all__ = [
    "ALS",
    "BASELINES",
    "NO_RATINGS",
    "SGD",
    "SOLVERS",
    "BayesianMF",
    "Epoch",
    "ImplicitALS",
    "Means",
    "Setting",
    "Solver",
    "settings",
]

Solver = SGD | BayesianMF | ALS | ImplicitALS

#: What can be asked for by name; settings that are given replace those of the entry.
SOLVERS: dict[str, Solver] = {
    "sgd": SGD(),
    "bayes": BayesianMF(),
    "als": ALS(),
    "implicit": ImplicitALS(),
    "article": SGD.article(),
}

#: Entries whose predictions are no ratings, such as scores of preference: an RMSE says nothing about them.
NO_RATINGS = frozenset({"implicit"})
