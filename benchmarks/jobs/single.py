"""The ten best items of one user."""

from data import Case

from jobs import Job, copying

JOB = Job(
    title="the ten best unseen items of one user, a Python call",
    note="""The median of 101 users in each turn. The goal is 5 ms at most, not a ratio; by interest, with two heads of as many
    factors, a list may take twice as long as by prediction.""",
    cases=(Case("single", 64, ratings=100_000, data="model", items=100_000),),
    contenders={
        "palate": "palate.single",
        "palate, by interest": "palate.single_by_interest",
        "implicit": "implicit.single",
    },
    limit=copying(lambda task: 4 * task.case.items * task.factors),
    limited_by="reading the factors once",
)
