"""Judging solvers and models on ratings that they have not seen."""

from __future__ import annotations

from palate.evaluation.bootstrap import compare_lists
from palate.evaluation.compare import compare, contestants
from palate.evaluation.cross_validate import CrossValidation, cross_validate
from palate.evaluation.evaluate import Evaluation, evaluate
from palate.evaluation.lists import ListEvaluation, evaluate_lists
from palate.evaluation.tune import Tuning, tune

__all__ = [
    "CrossValidation",
    "Evaluation",
    "ListEvaluation",
    "Tuning",
    "compare",
    "compare_lists",
    "contestants",
    "cross_validate",
    "evaluate",
    "evaluate_lists",
    "tune",
]
