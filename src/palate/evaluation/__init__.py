"""Judging solvers and models on ratings that they have not seen."""

from __future__ import annotations

from palate.evaluation.bootstrap import compare_lists
from palate.evaluation.compare import Comparison, compare, solvers_to_compare
from palate.evaluation.cross_validate import CrossValidation, cross_validate
from palate.evaluation.evaluate import Evaluation, evaluate
from palate.evaluation.lists import ListEvaluation, evaluate_lists
from palate.evaluation.tune import Tuning, tune

__all__ = [
    "Comparison",
    "CrossValidation",
    "Evaluation",
    "ListEvaluation",
    "Tuning",
    "compare",
    "compare_lists",
    "cross_validate",
    "evaluate",
    "evaluate_lists",
    "solvers_to_compare",
    "tune",
]
