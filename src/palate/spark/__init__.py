"""Fits and predictions on Apache Spark, for ratings that one machine cannot hold: needs the extra ``spark``."""

from __future__ import annotations

from palate.spark.fit import fit
from palate.spark.reading import read_frame
from palate.spark.session import open_spark

__all__ = ["fit", "open_spark", "read_frame"]
