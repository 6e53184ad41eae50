"""The ten best items of all users."""

from typing import Any

from data import Case, Skip, Task

from jobs import Job, multiplying


def ranking() -> Any:
    """Return the module that makes models to rank by, and has its own command with more figures."""
    try:
        import ranking
    except ImportError:
        raise Skip("benchmarks/ranking.py is missing") from None
    return ranking


def model(task: Task) -> Any:
    """Return a model that was not fitted, of as many users and items."""
    return ranking().make_model(task.case.users, task.case.items, task.factors)


def peer(ours: Any, threads: int) -> Any:
    """Return the ranking of implicit by the same factors."""
    return ranking().peer(ours, threads)


JOB = Job(
    title="the ten best unseen items of all users",
    note="""The same factors (drawn, of a falling spectrum), the same items seen, no biases. `python
    benchmarks/ranking.py` also compares the answers.""",
    cases=(Case("top", 64, data="model", must=5, aim=10), Case("top", 64, data="model", items=100_000, must=5, aim=10)),
    contenders={"palate": "palate.top", "implicit": "implicit.top"},
    limit=multiplying(lambda task: 2 * task.case.users * task.case.items * task.factors),
    limited_by="matrix product",
)
