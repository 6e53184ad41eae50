"""Judging solvers and models on ratings that they have not seen."""

from __future__ import annotations

from palate.evaluation.compare import Comparison, compare, solvers_to_compare
from palate.evaluation.cross_validate import CrossValidation, cross_validate
from palate.evaluation.evaluate import Evaluation, evaluate

__all__ = [
    "Comparison",
    "CrossValidation",
    "Evaluation",
    "compare",
    "cross_validate",
    "evaluate",
    "solvers_to_compare",
]
