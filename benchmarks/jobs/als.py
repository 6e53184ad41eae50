"""Explicit ALS."""

from data import Case, Task

from jobs import Job, multiplying

# On standardized ratings, times the number of ratings of a user or item.
REGULARIZATION = 0.05


def operations(task: Task) -> float:
    """The symmetric halves of k by k matrices over all ratings, twice; a Cholesky for each row."""
    k, train = task.factors, task.train
    return 2 * len(train.rating) * k * (k + 1) + (train.users + train.items) * (k**3 / 3 + 2 * k * k)


JOB = Job(
    title="explicit ALS, an iteration",
    note="""Equal widths: k columns of which one is the bias (palate, cmfrec), or k factors (LensKit, whose biases are means
    found before; Spark, which has none; implicit). All solve by Cholesky in float32. The penalty is the same, times the
    number of ratings, but for implicit, which has no explicit objective: its exact solver for implicit feedback does
    nearly the same work. palate's time includes the error on all training ratings. cmfrec and Spark tell no times of iterations: theirs
    is the difference of two fits. The test error is the one after as many iterations as were timed.""",
    cases=(Case("als", 16, must=3, aim=5), Case("als", 64, must=4, aim=8), Case("als", 128, must=4, aim=8)),
    contenders={
        "palate": "palate.als",
        "LensKit": "lenskit.als",
        "cmfrec": "cmfrec.als",
        "implicit, Cholesky": "implicit.als",
        "Spark MLlib": "spark.als",
    },
    passes=3,
    score="test RMSE",
    limit=multiplying(operations),
    limited_by="matrix product",
)
