"""Spark MLlib in one process. Needs Java."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
from data import Skip, Task, Turn

REQUIREMENTS = ("pyspark==4.3.0", "pyarrow")
SYSTEM = ("java", "openjdk-17-jre-headless")


def als(task: Task) -> Turn:
    """Explicit ALS without biases or centering, the penalty growing with the number of ratings.

    It has no clock of its own: an iteration is the difference of two fits.
    """
    import pyarrow as pa
    from pyarrow import parquet
    from pyspark.ml.recommendation import ALS

    session = start(task)
    path = str(Path(task.folder, "train.parquet"))
    if not Path(path).exists():
        columns = {"user": task.train.user, "item": task.train.item, "rating": task.train.rating}
        parquet.write_table(pa.table(columns), path)
    frame = session.read.parquet(path).repartition(task.threads).persist()
    frame.count()

    def fit(iterations: int) -> tuple[float, Any]:
        from jobs.als import REGULARIZATION

        settings = {"rank": task.factors, "regParam": REGULARIZATION * task.spread, "seed": 0, "checkpointInterval": -1}
        als = ALS(userCol="user", itemCol="item", ratingCol="rating", maxIter=iterations, **settings)
        started = time.perf_counter()
        model = als.setNumBlocks(2 * task.threads).fit(frame)
        return time.perf_counter() - started, model

    def turn(passes: int) -> tuple[float, Callable[[], float]]:
        many, model = fit(passes)
        one, _ = fit(1)
        return (many - one) / (passes - 1), lambda: task.rmse(
            task.products(*map(factors, (model.userFactors, model.itemFactors)))
        )

    return turn


def factors(frame: Any) -> Any:
    """Return factors in the order of rows."""
    rows = frame.orderBy("id").select("features").collect()
    return np.array([row.features for row in rows], np.float32)


def start(task: Task) -> Any:
    """Start a session, or take the one that runs."""
    from pyspark.sql import SparkSession

    if which("java") is None:
        raise Skip("there is no Java")
    builder = SparkSession.builder.master(f"local[{task.threads}]").config("spark.driver.memory", "8g")
    # The process is stopped while others have their turn: nothing may time out.
    for name in ("spark.network.timeout", "spark.executor.heartbeatInterval"):
        builder = builder.config(name, "36000s" if "network" in name else "3600s")
    session = builder.config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session
