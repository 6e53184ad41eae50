"""pandas: the quickest way that was found to read three columns and number the ids of two."""

from __future__ import annotations

from data import Task, Turn, timed

REQUIREMENTS = ("pandas",)


def reading(task: Task) -> Turn:
    """The C parser, only the three columns, then both columns of ids factorized. It judges no rows and looks for no pairs."""
    import pandas as pd

    def read() -> None:
        frame = pd.read_csv(task.text, sep="\t", header=None, usecols=[0, 2, 4], engine="c")
        for column in (0, 2):
            pd.factorize(frame[column])

    return timed(read)
