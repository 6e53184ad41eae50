"""Judging solvers and models on ratings that they have not seen."""

from __future__ import annotations

from palate.evaluation.compare import compare, contestants
from palate.evaluation.cross_validate import CrossValidation, cross_validate
from palate.evaluation.evaluate import Evaluation, evaluate

__all__ = ["CrossValidation", "Evaluation", "compare", "contestants", "cross_validate", "evaluate"]
