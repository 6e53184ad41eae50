"""Bayesian matrix factorization by Gibbs sampling."""

from __future__ import annotations

from palate.solvers.bayes.settings import BayesianMF
from palate.solvers.registry import register

__all__ = ["BayesianMF"]

register(BayesianMF())
