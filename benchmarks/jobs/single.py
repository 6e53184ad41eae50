"""The ten best items of one user."""

from data import Case

from jobs import Job, copying

JOB = Job(
    title="the ten best unseen items of one user, a Python call",
    note="The median of 101 users in each turn. The goal is 5 ms at most, not a ratio.",
    cases=(Case("single", 64, ratings=100_000, data="model", items=100_000),),
    contenders={"palate": "palate.single", "implicit": "implicit.single"},
    limit=copying(lambda task: 4 * task.case.items * task.factors),
    limited_by="reading the factors once",
)
