"""Solvers side by side: `compare` fits and judges them, and its `Comparison` is the table."""

from __future__ import annotations

from palate.evaluation.compare.results import Comparison, SolverResult, SplitResult
from palate.evaluation.compare.run import compare, solvers_to_compare

__all__ = ["Comparison", "SolverResult", "SplitResult", "compare", "solvers_to_compare"]
