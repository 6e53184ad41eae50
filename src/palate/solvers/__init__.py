"""Ways to fit a model. A solver is a frozen dataclass of its settings with ``fit(ratings) -> Model``."""

from __future__ import annotations

from palate.solvers.means import BASELINES, Means
from palate.solvers.settings import Setting, settings
from palate.solvers.sgd import SGD
from palate.solvers.training import Epoch

__all__ = ["BASELINES", "SGD", "SOLVERS", "Epoch", "Means", "Setting", "settings"]

#: What can be asked for by name; settings that are given replace those of the entry.
SOLVERS = {"sgd": SGD(), "article": SGD.article()}
