"""Ways to fit a model. A solver is a frozen dataclass of its settings with ``fit(ratings) -> Model``.

Each solver is a folder: `settings` (the class), `fit` (the work) and what no other solver needs.
"""

from __future__ import annotations

from palate.solvers.als import ALS
from palate.solvers.bayes import BayesianMF
from palate.solvers.ease import EASE
from palate.solvers.implicit import ImplicitALS
from palate.solvers.means import BASELINES, Means
from palate.solvers.registry import SOLVERS, register
from palate.solvers.session import Epoch
from palate.solvers.settings import Setting, setting, settings
from palate.solvers.sgd import SGD
from palate.solvers.solver import Solver

__all__ = [
    "ALS",
    "BASELINES",
    "EASE",
    "SGD",
    "SOLVERS",
    "BayesianMF",
    "Epoch",
    "ImplicitALS",
    "Means",
    "Setting",
    "Solver",
    "register",
    "setting",
    "settings",
]
