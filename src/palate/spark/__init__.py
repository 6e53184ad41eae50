"""Fits and predictions on Apache Spark, for ratings that one machine cannot hold: needs the extra ``spark``."""

from __future__ import annotations

from palate.spark.fit import fit
from palate.spark.reading import read_frame
from palate.spark.session import open_spark
from palate.spark.workflow import fit_and_save

__all__ = ["fit", "fit_and_save", "open_spark", "read_frame"]
