"""SGD."""

from data import Case, Task

from jobs import Job, multiplying

REGULARIZATION = 0.06


def operations(task: Task) -> float:
    """A product, and two updates of which each takes the other side's factors and its own: 8 k for each rating."""
    return 8 * task.factors * len(task.train.rating)


JOB = Job(
    title="SGD, an epoch",
    note="""float32, the same number of epochs and the same penalty for all, which was tuned for none: this is the time of an
    epoch, not to an error (that is the job `race`). palate learns biases, and its result does not depend on threads; LIBMF
    has no biases, and its learning rate adapts. An epoch of LIBMF and of Surprise is the difference of two fits. Surprise has
    one thread and float64, and makes Python objects of ratings: it only gets a table of 1M.""",
    cases=(Case("sgd", 16, must=1.3, aim=2), Case("sgd", 64, must=1.3, aim=2), Case("sgd", 16, 1_000_000)),
    contenders={"palate": "palate.sgd", "LIBMF": "libmf.sgd", "Surprise": "surprise.sgd"},
    passes=20,
    score="test RMSE",
    limit=multiplying(operations),
    limited_by="matrix product",
)
