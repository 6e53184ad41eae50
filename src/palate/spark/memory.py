"""How much memory a fit takes on each machine: predicted, and refused where it cannot be had."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from palate.errors import SettingsError

__all__ = ["MemoryNeed", "available_memory", "predict", "require_memory", "rows_at_once"]

# Bytes (assumed, not measured) of a Python worker with palate's kernels before it has seen a rating.
_WORKER = 250_000_000
# Bytes for each rating of a part: a copy of its value, and the mapped index and value.
_RATING = 12
# The arrays of a row in a task: what its equations begin with, and its solution.
_ROW_ARRAYS = 3
# Arrays of both sides that the machines of a fit map: factors with ones, biases.
_SIDE_ARRAYS = 1.1
# An executor holds about this many bytes of an array at most: the whole array, or what its tasks need of it.
ARRAY_BYTES = 1 << 30
# Arrays of both sides that the driver holds at once: the factors, what `bayes` expects of them, and those of the model.
_DRIVER_ARRAYS = 3
# Bytes of a row on the driver beside its factors: its id, its number of ratings, its sum of squared errors.
_DRIVER_ROW = 24
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class MemoryNeed(NamedTuple):
    """Bytes of one executor, beside its Java heap: those of its tasks, and those of the factors that they share.

    `driver` are the bytes of the driver, beside its Java heap.
    """

    tasks: int
    factors: int
    driver: int = 0

    @property
    def total(self) -> int:
        """All of an executor."""
        return self.tasks + self.factors


def rows_at_once(array_bytes: int, rows: int, cores: int) -> int | None:
    """Return how many rows of an array of the other side a task may hold; None for all of them.

    Where the array is too large, half of the memory of a task is for the rows that it needs, and half for the block of
    the array that it takes them from. A single row of this side may need more.

    Examples
    --------
    >>> rows_at_once(1 << 20, 1000, 2), rows_at_once(1 << 32, 1 << 20, 2)
    (None, 65536)
    """
    return None if array_bytes <= ARRAY_BYTES else max(1, ARRAY_BYTES // (2 * cores) // (array_bytes // rows))


def predict(
    users: int, items: int, ratings: int, width: int, parts: tuple[int, int], cores: int, most: int = 0
) -> MemoryNeed:
    """Predict the memory of one executor and of the driver, beside their Java heaps.

    Neither grows with the rows times the square of the columns: tasks add up what the hyperpriors are drawn from, and
    the driver gets the sums.

    Parameters
    ----------
    users, items, ratings
        The size of the table.
    width
        The columns of a row: factors, bias and padding.
    parts
        Into how many parts the users, and the items, are cut.
    cores
        The tasks that an executor runs at once.
    most
        The largest number of ratings of one user or item.

    Examples
    --------
    >>> need = predict(70_000, 10_000, 10_000_000, 24, (4, 4), 2)
    >>> need.factors < 10_000_000, round(need.total / 1e6)
    (True, 577)
    """
    rows = max(users / parts[0], items / parts[1])
    task = _WORKER + _RATING * ratings / min(parts) + _ROW_ARRAYS * 4 * width * rows
    whole = _SIDE_ARRAYS * 4 * width * max(users, items)
    step = rows_at_once(4 * width * max(users, items), max(users, items), cores)
    factors = whole if step is None else min(whole, cores * _SIDE_ARRAYS * 4 * width * (step + max(step, most)))
    driver = (users + items) * (_DRIVER_ARRAYS * 4 * width + _DRIVER_ROW)
    return MemoryNeed(int(cores * task), int(factors), driver)


def require_memory(spark: Any, need: MemoryNeed) -> None:
    """Refuse a fit that the driver or the executors have no memory for.

    Raises
    ------
    SettingsError
        With what is needed, what there is, and what would help.
    """
    free = free_memory()
    if free is not None and need.driver > free:
        raise SettingsError(
            f"the driver needs {need.driver / 1e9:.1f} GB for the factors of all users and items and has "
            f"{free / 1e9:.1f} GB: start it on a larger machine, take fewer factors (--factors), or leave out users "
            "and items with very few ratings"
        )
    there = available_memory(spark)
    if there is not None and need.total > there:
        raise SettingsError(
            f"each executor needs {need.total / 1e9:.1f} GB beside its Java heap ({need.tasks / 1e9:.1f} GB for its "
            f"tasks, {need.factors / 1e9:.1f} GB for the factors of the larger side) and has {there / 1e9:.1f} GB: cut "
            "the table into more parts (parts=), give executors fewer cores (spark.executor.cores) or more memory "
            "(spark.executor.memoryOverhead), or take fewer factors (--factors)"
        )


def available_memory(spark: Any) -> int | None:
    """Return the bytes that an executor has beside its Java heap; None if nobody says.

    YARN and Kubernetes enforce ``spark.executor.memoryOverhead``. Elsewhere it is what the machines have left.
    """
    context = spark.sparkContext
    if context.master.startswith(("yarn", "k8s")):
        heap = _bytes(context.getConf().get("spark.executor.memory", "1g"))
        stated = context.getConf().get("spark.executor.memoryOverhead", "")
        return _bytes(stated, "m") if stated else max(384 << 20, heap // 10)
    if context.master.startswith("local"):
        return free_memory()
    tasks = context.defaultParallelism
    free = [each for each in context.parallelize(range(tasks), tasks).map(lambda _: free_memory()).collect() if each]
    return min(free, default=None)


def free_memory() -> int | None:
    """Return the bytes that this machine has left; None if it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # not Linux
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable")), None)


def _bytes(text: str, unit: str = "b") -> int:
    """Return a size as Spark spells it, in bytes.

    >>> _bytes("2g"), _bytes("512", "m")
    (2147483648, 536870912)
    """
    match = re.fullmatch(r"(\d+)([bkmgt]?)b?", text.strip().lower())
    if match is None:
        raise SettingsError(f"{text!r} is no size of memory as Spark spells it")
    return int(match[1]) * _UNITS[match[2] or unit]
