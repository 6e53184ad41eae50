"""implicit: BLAS has one thread, as it asks for, and its own loops have all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from data import Task, Turn, timed

REQUIREMENTS = ("implicit==0.7.3",)


def als(task: Task) -> Turn:
    """Its exact least squares: the same equations as explicit ALS and one matrix for all pairs, so the closest equal work.

    It has no explicit objective, so no error is reported.
    """
    return fits(task, task.train.csr(), cholesky=True, regularization=0.05)


def ials(task: Task) -> Turn:
    """Conjugate gradients, three steps, its default."""
    from jobs.ials import CONFIDENCE, REGULARIZATION

    table = task.train.csr()
    table.data = np.full_like(table.data, CONFIDENCE)
    return fits(task, table, cholesky=False, regularization=REGULARIZATION)


def ials_cholesky(task: Task) -> Turn:
    """Its exact least squares."""
    from jobs.ials import CONFIDENCE, REGULARIZATION

    table = task.train.csr()
    table.data = np.full_like(table.data, CONFIDENCE)
    return fits(task, table, cholesky=True, regularization=REGULARIZATION)


def top(task: Task) -> Turn:
    """The ten best unseen items of all users; the same factors, no biases."""
    from jobs.top import model, peer

    rank = peer(model(task), task.threads)
    return timed(lambda: rank(10))


def single(task: Task) -> Turn:
    """The ten best unseen items of one user: the median of 101 users."""
    from implicit.cpu.als import AlternatingLeastSquares
    from jobs.top import model
    from scipy.sparse import csr_matrix

    ours = model(task)
    seen = csr_matrix((ours.seen.values, ours.seen.indices, ours.seen.indptr), shape=(len(ours.users), len(ours.items)))
    theirs = AlternatingLeastSquares(factors=task.factors, num_threads=task.threads)
    theirs.user_factors, theirs.item_factors = ours.user_factors, ours.item_factors
    return timed(*(partial(theirs.recommend, user, seen[user]) for user in range(101)))


def fits(task: Task, table: object, *, cholesky: bool, regularization: float) -> Turn:
    """Time iterations by what the callback is told."""
    from implicit.cpu.als import AlternatingLeastSquares
    from jobs.ials import objective

    def turn(passes: int) -> tuple[float, Callable[[], float] | None]:
        model = AlternatingLeastSquares(
            factors=task.factors,
            regularization=regularization,
            use_cg=not cholesky,
            iterations=passes,
            num_threads=task.threads,
            random_state=0,
        )
        seconds: list[float] = []
        model.fit(table, show_progress=False, callback=lambda _, elapsed, __: seconds.append(elapsed))
        if not task.case.job.startswith("ials"):
            return task.time(seconds), None
        return task.time(seconds), lambda: objective(task.train, model.user_factors, model.item_factors)

    return turn
