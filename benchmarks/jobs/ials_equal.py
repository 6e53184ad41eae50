"""Implicit ALS up to the same objective."""

from data import Case

from jobs import Job


def goal(scores: dict[str, dict[int, float]]) -> float:
    """What implicit reaches with its default number of iterations; anything, where it is not installed."""
    return max((score for name, found in scores.items() if "implicit" in name for score in found.values()), default=1e9)


JOB = Job(
    title="implicit ALS, all iterations up to the same objective",
    note="""The objective to reach is that of implicit's conjugate gradients after 15 iterations, its default; palate has the
    fewest sweeps that reach it. The seconds are those of all iterations.""",
    cases=(Case("ials_equal", 64, whole=True, must=1.5, aim=4),),
    contenders={"palate": "palate.ials", "implicit, CG": "implicit.ials"},
    passes={"palate": tuple(range(2, 13)), "implicit, CG": (15,)},
    score="objective a rated pair",
    goal=goal,
)
