"""cmfrec: float32, OpenMP for its loops and one thread for BLAS. Compiled for this machine when it is installed."""

from __future__ import annotations

import time
from collections.abc import Callable

from data import Task, Turn

REQUIREMENTS = ("cmfrec==3.5.1.post14", "threadpoolctl")


def als(task: Task) -> Turn:
    """Explicit ALS by Cholesky with biases, k - 1 factors, the penalty growing with the number of ratings.

    It has no clock of its own: an iteration is the difference of two fits.
    """
    from cmfrec import CMF
    from jobs.als import REGULARIZATION

    table = task.train.csr().tocoo()

    def fit(iterations: int) -> tuple[float, CMF]:
        model = CMF(
            k=task.factors - 1,
            lambda_=REGULARIZATION * task.spread,
            scale_lam=True,
            method="als",
            use_cg=False,
            niter=iterations,
            precompute_for_predictions=False,
            use_float=True,
            random_state=0,
            nthreads=task.threads,
            verbose=False,
        )
        started = time.perf_counter()
        model.fit(table)
        return time.perf_counter() - started, model

    def turn(passes: int) -> tuple[float, Callable[[], float]]:
        many, model = fit(passes)
        one, _ = fit(1)
        return (many - one) / (passes - 1), lambda: task.rmse(model.predict(task.test.user, task.test.item))

    return turn
