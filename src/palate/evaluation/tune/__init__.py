"""Searching for better settings of a solver."""

from __future__ import annotations

from palate.evaluation.tune.run import Tuning, tune
from palate.evaluation.tune.search import Trial

__all__ = ["Trial", "Tuning", "tune"]
