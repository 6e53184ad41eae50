"""pandas: the quickest way that was found to read three columns and number the ids of two."""

from __future__ import annotations

import time

from data import Task, Turn

REQUIREMENTS = ("pandas",)


def reading(task: Task) -> Turn:
    """The C parser, only the three columns, then both columns of ids factorized. It judges no rows and looks for no pairs."""
    import pandas as pd

    def turn(_: int) -> tuple[float, None]:
        started = time.perf_counter()
        frame = pd.read_csv(task.text, sep="\t", header=None, usecols=[0, 2, 4], engine="c")
        for column in (0, 2):
            pd.factorize(frame[column])
        return time.perf_counter() - started, None

    return turn
