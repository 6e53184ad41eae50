"""Stochastic gradient descent."""

from __future__ import annotations

from palate.solvers.registry import register
from palate.solvers.sgd.settings import SGD

__all__ = ["SGD"]

register(SGD())
register(SGD.article(), "article", "sgd as in the 2018 article", compared=False)
