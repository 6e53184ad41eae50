"""Bayesian matrix factorization by Gibbs sampling."""

from data import Case

from jobs import Job, multiplying
from jobs.als import operations

JOB = Job(
    title="a Gibbs sweep",
    note="""Plain samplers on both sides: one prior for users and one for items, no noise of single users or items, no
    rated sets. palate draws a whole row at once and pays for k by k matrices, as ALS does; myFM draws one factor after the
    other, which is less work for a sweep that moves less, and has one thread. palate's time includes keeping the average.""",
    cases=(Case("gibbs", 32, must=6, aim=15), Case("gibbs", 32, 1_000_000)),
    contenders={"palate": "palate.gibbs", "myFM": "myfm.gibbs"},
    passes={"palate": (6,), "myFM": (2,)},
    limit=multiplying(operations),
    limited_by="matrix product",
)
