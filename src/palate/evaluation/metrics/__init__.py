"""Measures of how well a model does. A metric is a function and its entry in `METRICS`; nothing else lists metrics."""

from __future__ import annotations

from palate.evaluation.metrics.errors import ERRORS, mae, nmae, rmse
from palate.evaluation.metrics.judged import Judged
from palate.evaluation.metrics.metric import Metric
from palate.evaluation.metrics.uncertainty import LEVELS, UNCERTAINTY, coverage, log_likelihood

__all__ = ["LEVELS", "METRICS", "Judged", "Metric", "coverage", "log_likelihood", "mae", "nmae", "rmse"]

#: Every metric by name, in the order of the columns of a report.
METRICS: dict[str, Metric] = {metric.name: metric for metric in (*ERRORS, *UNCERTAINTY)}
