"""palate: recommendations from ratings, by matrix factorization.

    >>> import palate
    >>> ratings = palate.read_ratings([("ann", "tea", 5), ("ann", "coffee", 1), ("bob", "tea", 4), ("bob", "cocoa", 5)])
    >>> model = palate.SGD(factors=2).fit(ratings)
    >>> [item.id for item in model.recommend("ann")]
    ['cocoa']

Importing palate defines names and does nothing else; what a name needs is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from palate import datasets, workflow
    from palate.catalogue import Catalogue
    from palate.check import check_table
    from palate.client import Client
    from palate.errors import PalateError
    from palate.evaluation import compare, cross_validate, evaluate
    from palate.model import Model
    from palate.ratings import Ratings, RatingScale, Vocabulary
    from palate.reading import read_catalogue, read_ratings, read_table
    from palate.solvers import ALS, BASELINES, SGD, SOLVERS, BayesianMF, ImplicitALS
    from palate.splits import Split, holdout, k_fold
    from palate.storage import load, save

__version__ = "0.1.0"

_HOMES = {
    "catalogue": ["Catalogue"],
    "check": ["check_table"],
    "client": ["Client"],
    "datasets": [],
    "errors": ["PalateError"],
    "evaluation": ["compare", "cross_validate", "evaluate"],
    "model": ["Model"],
    "ratings": ["RatingScale", "Ratings", "Vocabulary"],
    "reading": ["read_catalogue", "read_ratings", "read_table"],
    "solvers": ["ALS", "BASELINES", "SGD", "SOLVERS", "BayesianMF", "ImplicitALS"],
    "splits": ["Split", "holdout", "k_fold"],
    "storage": ["load", "save"],
    "workflow": [],
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ALS",
    "BASELINES",
    "SGD",
    "SOLVERS",
    "BayesianMF",
    "Catalogue",
    "Client",
    "ImplicitALS",
    "Model",
    "PalateError",
    "RatingScale",
    "Ratings",
    "Split",
    "Vocabulary",
    "check_table",
    "compare",
    "cross_validate",
    "datasets",
    "evaluate",
    "holdout",
    "k_fold",
    "load",
    "read_catalogue",
    "read_ratings",
    "read_table",
    "save",
    "workflow",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"palate.{_HOME[name]}"), name)
    if name in _HOMES:
        return import_module(f"palate.{name}")
    raise AttributeError(f"module 'palate' has no attribute {name!r}")
