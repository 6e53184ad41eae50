"""Implicit ALS: each rated pair is a choice."""

from typing import Any

import numpy as np
from data import Case, Table

from jobs import Job, multiplying
from jobs.als import operations

# palate's weight of a pair as not chosen, beside 1 of a chosen one. Divided by it, and with scores that are longer by
# 1 / SHARE, its objective is that of `implicit` with one confidence and a penalty on all rows alike.
UNOBSERVED = 0.1
CONFIDENCE = 1 + 1 / UNOBSERVED
SHARE = 1 / (1 + UNOBSERVED)
REGULARIZATION = 5.0


def objective(table: Table, users: Any, items: Any) -> float:
    """Return the objective of `implicit` for these factors, for each rated pair."""
    users, items = users.astype(np.float64), items.astype(np.float64)
    total = float(np.sum((users.T @ users) * (items.T @ items)))
    for start in range(0, len(table.user), 1 << 20):
        part = slice(start, start + (1 << 20))
        rows = users.astype(np.float32)[table.user[part]], items.astype(np.float32)[table.item[part]]
        scores = np.einsum("nk,nk->n", *rows).astype(np.float64)
        total += float(np.sum(CONFIDENCE * (1 - scores) ** 2 - scores**2))
    return (total + REGULARIZATION * float((users**2).sum() + (items**2).sum())) / len(table.user)


JOB = Job(
    title="implicit ALS, an iteration",
    note="""The same objective for both, in the end computed by one function, after as many iterations. implicit's default
    takes three steps of conjugate gradients; palate solves exactly.""",
    cases=(Case("ials", 64, must=1.5, aim=4),),
    contenders={
        "palate": "palate.ials",
        "implicit, CG": "implicit.ials",
        "implicit, Cholesky": "implicit.ials_cholesky",
    },
    passes=8,
    score="objective a rated pair",
    limit=multiplying(operations),
    limited_by="matrix product",
)
