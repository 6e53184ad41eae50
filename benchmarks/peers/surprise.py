"""Surprise: biased SGD in Cython, one thread, float64; the table becomes Python objects, so it gets at most a million ratings."""

from __future__ import annotations

import time
from collections.abc import Callable

from data import Skip, Task, Turn

REQUIREMENTS = ("scikit-surprise==1.1.5",)
MOST = 1_000_000


def sgd(task: Task) -> Turn:
    """An epoch: the difference of two fits."""
    import pandas as pd
    from jobs.sgd import REGULARIZATION
    from surprise import SVD, Dataset, Reader

    if len(task.train.user) > MOST:
        raise Skip("at most 1M ratings, of which it makes Python objects")
    train = task.train
    frame = pd.DataFrame({"user": train.user, "item": train.item, "rating": train.rating})
    table = Dataset.load_from_df(frame, Reader(rating_scale=(1, 5))).build_full_trainset()

    def fit(epochs: int) -> tuple[float, SVD]:
        model = SVD(n_factors=task.factors, n_epochs=epochs, lr_all=0.01, reg_all=REGULARIZATION, random_state=0)
        started = time.perf_counter()
        model.fit(table)
        return time.perf_counter() - started, model

    def turn(passes: int) -> tuple[float, Callable[[], float]]:
        many, model = fit(passes)
        one, _ = fit(1)

        def score() -> float:
            # Its rows are in the order of first appearance.
            users = [table.to_inner_uid(row) for row in task.test.user.tolist()]
            items = [table.to_inner_iid(row) for row in task.test.item.tolist()]
            products = (model.pu[users] * model.qi[items]).sum(axis=1)
            return task.rmse(table.global_mean + model.bu[users] + model.bi[items] + products)

        return (many - one) / (passes - 1), score

    return turn
