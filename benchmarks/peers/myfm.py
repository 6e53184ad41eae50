"""myFM: Gibbs sampling of a factorization machine, with one prior for users and one for items. It trains with one thread."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from data import Table, Task, Turn

# 0.4.0 imports pkg_resources, which setuptools has no more from 82 on.
REQUIREMENTS = ("myfm==0.5.0",) if sys.version_info >= (3, 12) else ("myfm==0.4.0", "setuptools<82")

RANK, SWEEPS, KEPT = 16, 200, 180


def gibbs(task: Task) -> Turn:
    """A sweep, timed between two calls of the callback."""
    from myfm import MyFMRegressor

    train = task.train
    table = one_hot(train, train)

    def turn(passes: int) -> tuple[float, None]:
        ends: list[float] = []

        def callback(*_: Any) -> tuple[bool, str]:
            ends.append(time.perf_counter())
            return False, ""

        model = MyFMRegressor(rank=task.factors)
        shapes = [train.users, train.items]
        model.fit(table, train.rating, n_iter=1 + passes, n_kept_samples=1, group_shapes=shapes, callback=callback)
        return median(np.diff(ends)), None

    return turn


def movielens(task: Task) -> Turn:
    """From the file to test predictions in a process that has imported everything."""

    def turn(sweeps: int) -> tuple[float, Callable[[], float]]:
        started = time.perf_counter()
        found = predict(task.text, task.test, sweeps)
        return time.perf_counter() - started, lambda: task.rmse(found)

    return turn


def movielens_command(task: Task) -> Turn:
    """The same as a command, its start included."""
    import myfm  # noqa: F401 - what is not installed here is not there for the command either

    test, found = Path(task.folder, "test.npz"), Path(task.folder, "myfm.npy")
    np.savez(test, user=task.test.user, item=task.test.item)

    def turn(sweeps: int) -> tuple[float, Callable[[], float]]:
        started = time.perf_counter()
        arguments = [task.text, test, found, task.test.users, task.test.items, sweeps]
        command = [sys.executable, "-m", "peers.myfm", *map(str, arguments)]
        subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True)
        return time.perf_counter() - started, lambda: task.rmse(np.load(found))

    return turn


def predict(text: Path, test: Table, sweeps: int) -> Any:
    """Read, fit and predict."""
    import pandas as pd
    from myfm import MyFMRegressor

    frame = pd.read_csv(text, sep="\t", header=None, usecols=[0, 2, 4], engine="c")
    columns = (frame[column].to_numpy() for column in (0, 2, 4))
    train = Table(next(columns) - 1, next(columns) - 1, next(columns), test.users, test.items)
    model = MyFMRegressor(rank=RANK)
    kept, shapes = max(1, sweeps * KEPT // SWEEPS), [train.users, train.items]
    model.fit(one_hot(train, train), train.rating, n_iter=sweeps, n_kept_samples=kept, group_shapes=shapes)
    return model.predict(one_hot(test, train))


def one_hot(rows: Table, train: Table) -> Any:
    """Return a matrix with a one for the user and a one for the item of each rating; -1 has none."""
    from scipy.sparse import csr_matrix

    columns = np.column_stack([rows.user, np.where(rows.item < 0, -1, rows.item + train.users)])
    known = columns >= 0
    ends = np.concatenate(([0], np.cumsum(known.sum(axis=1))))
    return csr_matrix((np.ones(known.sum()), columns[known], ends), shape=(len(columns), train.users + train.items))


if __name__ == "__main__":
    text, test, found, users, items, sweeps = sys.argv[1:]
    pairs = np.load(test)
    np.save(found, predict(Path(text), Table(pairs["user"], pairs["item"], None, int(users), int(items)), int(sweeps)))
