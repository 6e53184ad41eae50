"""Measures of how well a model does."""

from __future__ import annotations

from palate.evaluation.metrics.errors import LEVELS, METRICS, coverage, log_likelihood, mae, nmae, rmse

__all__ = ["LEVELS", "METRICS", "coverage", "log_likelihood", "mae", "nmae", "rmse"]
