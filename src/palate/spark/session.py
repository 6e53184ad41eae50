"""A session of Spark, set up for palate's tasks."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import palate
from palate.errors import MissingExtraError, SettingsError

__all__ = ["open_spark", "require_spark", "tasks_at_once"]

# A task waits for the machine that holds its part as long as that machine lives.
_SETTINGS = {
    "spark.app.name": "palate",
    "spark.locality.wait": "1h",
    "spark.scheduler.minRegisteredResourcesRatio": "1.0",
    "spark.driver.maxResultSize": "0",
    "spark.python.worker.reuse": "true",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1000000",
}
# One task has one core: neither Numba nor BLAS may use more.
_SINGLE = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def require_spark() -> Any:
    """Return the package pyspark.

    Raises
    ------
    MissingExtraError
        If pyspark or pyarrow is not installed.
    """
    try:
        # Of pandas, which palate does not use here.
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        import pyarrow  # noqa: F401
        import pyspark
        import pyspark.sql.functions
    except ImportError as error:
        raise MissingExtraError("Spark", "spark") from error
    return pyspark


def open_spark(master: str | None = None, settings: dict[str, str] | None = None) -> Any:
    """Return the running session of Spark, or start one.

    Parameters
    ----------
    master
        Where Spark runs, such as "local[2]", "spark://host:7077" or "yarn". None takes the session that runs, else what
        Spark's own configuration says.
    settings
        More settings of Spark, by name.

    Raises
    ------
    MissingExtraError
        If pyspark is not installed.
    SettingsError
        If Spark does not start: there is no Java, or the master cannot be reached.
    """
    pyspark = require_spark()
    running = pyspark.sql.SparkSession.getActiveSession()
    if running is not None:
        if master is not None and running.sparkContext.master != master:
            raise SettingsError(
                f"Spark runs with the master {running.sparkContext.master!r}, not {master!r}: stop that session first, "
                "or leave the master out"
            )
        return running
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = pyspark.sql.SparkSession.builder
    if master is not None:
        builder = builder.master(master)
    for key, value in {**_SETTINGS, **_worker_environment(master), **(settings or {})}.items():
        builder = builder.config(key, value)
    try:
        spark = builder.getOrCreate()
    except Exception as error:  # of Py4J, of Java and of the operating system
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SettingsError(
            f"Spark does not start with the master {master or 'of its configuration'!r}: {reason}; it needs Java 17 or "
            "later (JAVA_HOME) and a master that can be reached"
        ) from error
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _worker_environment(master: str | None) -> dict[str, str]:
    environment = dict.fromkeys(_SINGLE, "1")
    if master is not None and master.startswith("local"):  # the same machine, and the same palate
        here = str(Path(palate.__file__).parent.parent)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH", "")]))
    return {f"spark.executorEnv.{name}": value for name, value in environment.items()}


def tasks_at_once(spark: Any) -> int:
    """Return how many tasks one executor runs at once."""
    context = spark.sparkContext
    if context.master.startswith("local["):
        return int(context.defaultParallelism)
    return int(context.getConf().get("spark.executor.cores", "1"))
