"""Fits and predictions on Apache Spark, for ratings that one machine cannot hold: needs the extra ``spark``."""

from __future__ import annotations

from palate.spark.answers import predict_pairs, recommend_all, similar_items
from palate.spark.check import check
from palate.spark.evaluate import evaluate
from palate.spark.fit import fit
from palate.spark.reading import read_frame
from palate.spark.session import open_spark
from palate.spark.splits import split
from palate.spark.workflow import fit_and_save

__all__ = [
    "check",
    "evaluate",
    "fit",
    "fit_and_save",
    "open_spark",
    "predict_pairs",
    "read_frame",
    "recommend_all",
    "similar_items",
    "split",
]
