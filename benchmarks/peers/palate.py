"""palate. Its width counts the bias: k - 1 factors and a bias are k columns."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from data import Table, Task, Turn, timed

REQUIREMENTS: tuple[str, ...] = ()


def als(task: Task) -> Turn:
    """Explicit ALS by Cholesky, biases solved for with the factors, the penalty growing with the number of ratings."""
    from jobs.als import REGULARIZATION

    from palate import ALS

    return fits(
        task, lambda passes: ALS(factors=task.factors - 1, regularization=REGULARIZATION, sweeps=passes, validation=0.0)
    )


def sgd(task: Task) -> Turn:
    """Biased SGD, the learning rate falling to zero over the epochs."""
    from jobs.sgd import REGULARIZATION

    from palate import SGD

    return fits(
        task, lambda passes: SGD(factors=task.factors, regularization=REGULARIZATION, epochs=passes, validation=0.0)
    )


def gibbs(task: Task, *, sets: bool = False) -> Turn:
    """A plain Gibbs sweep: no noise of single users and items, no rated sets; averages are kept as in any fit."""
    from palate import BayesianMF

    parts = {"user_noise": False, "item_noise": False, "user_sets": sets, "item_sets": sets}
    return fits(task, lambda passes: BayesianMF(factors=task.factors - 1, sweeps=passes, **parts), scored=False)


def linked_gibbs(task: Task) -> Turn:
    """A Gibbs sweep with the rated sets of both sides."""
    return gibbs(task, sets=True)


def fits(task: Task, solver: Callable[[int], Any], *, scored: bool = True) -> Turn:
    """Time the passes of a fit by what `progress` is told; in it is the error on the training ratings."""
    ratings = table(task.train)

    def turn(passes: int) -> tuple[float, Callable[[], float] | None]:
        seconds: list[float] = []
        model = solver(passes).fit(ratings, threads=task.threads, progress=lambda epoch: seconds.append(epoch.seconds))
        return task.time(seconds), (lambda: task.rmse(predicted(model, task))) if scored else None

    return turn


def ials(task: Task) -> Turn:
    """Implicit ALS by Cholesky, at the settings that make it the objective of `implicit`, see `jobs.ials`."""
    from jobs.ials import REGULARIZATION, SHARE, UNOBSERVED, objective

    from palate import ImplicitALS

    ratings, penalty = table(task.train), REGULARIZATION * SHARE * UNOBSERVED
    settings = {"factors": task.factors, "regularization": penalty, "unobserved": UNOBSERVED, "exponent": 0.0}

    def turn(passes: int) -> tuple[float, Callable[[], float]]:
        seconds: list[float] = []
        model = ImplicitALS(sweeps=passes, **settings).fit(
            ratings, threads=task.threads, progress=lambda epoch: seconds.append(epoch.seconds)
        )
        sides = (side / np.sqrt(SHARE) for side in (model.user_factors, model.item_factors))
        return task.time(seconds), lambda: objective(task.train, *sides)

    return turn


def race(task: Task) -> Turn:
    """The command `palate fit`, from its start to its end: reading the text, fitting, saving."""
    from jobs.race import PALATE

    path = Path(task.folder, "race.palate")
    options = [*PALATE, "--validation", 0, "--threads", task.threads, "--quiet"]

    def turn(passes: int) -> tuple[float, Callable[[], float]]:
        count = "--epochs" if "sgd" in PALATE else "--sweeps"
        seconds = command("fit", task.text, "-o", path, count, passes, *options)
        return seconds, lambda: task.rmse(saved(path, task))

    return turn


def movielens(task: Task) -> Turn:
    """From the file to test predictions in a process that has imported and compiled everything."""
    from jobs.movielens import PALATE

    from palate import BayesianMF, read_ratings

    def turn(passes: int) -> tuple[float, Callable[[], float]]:
        started = time.perf_counter()
        model = BayesianMF(sweeps=passes, **PALATE).fit(read_ratings(task.text), threads=task.threads)
        found = predicted(model, task)
        return time.perf_counter() - started, lambda: task.rmse(found)

    return turn


def movielens_command(task: Task) -> Turn:
    """The same as a command, its start included."""
    from jobs.movielens import PALATE

    path = Path(task.folder, "movielens.palate")
    options = ["--threads", task.threads, "--quiet", "--choices", "none"]
    for name, value in PALATE.items():
        name = name.replace("_", "-")
        options += [f"--{'' if value else 'no-'}{name}"] if isinstance(value, bool) else [f"--{name}", value]

    def turn(passes: int) -> tuple[float, Callable[[], float]]:
        seconds = command("fit", task.text, "-o", path, "--sweeps", passes, *options)
        return seconds, lambda: task.rmse(saved(path, task))

    return turn


def reading(task: Task) -> Turn:
    """Read text into `Ratings`: ids encoded, every row judged, pairs that are rated twice looked for."""
    from palate import read_ratings

    return timed(lambda: read_ratings(task.text))


def top(task: Task) -> Turn:
    """The ten best unseen items of all users."""
    from jobs.top import model

    ranked = model(task)
    return timed(lambda: ranked.recommend_batch(n=10, threads=task.threads))


def single(task: Task) -> Turn:
    """The ten best unseen items of one user, as `recommend` gives them: the median of 101 users."""
    from jobs.top import model

    ranked = model(task)
    return timed(*(partial(ranked.recommend, user) for user in range(101)))


def single_by_interest(task: Task) -> Turn:
    """The same by interest, with a choice head of as many factors beside those of the ratings."""
    from jobs.top import model

    ranked = with_choices(model(task))
    return timed(*(partial(ranked.recommend, user) for user in range(101)))


def with_choices(model: Any) -> Any:
    """Return a model whose lists are ranked by interest; its choice head has the same factors in another order."""
    from palate.model.choice import FactorsHead
    from palate.model.interest import ChanceCalibration, Interest
    from palate.model.row_solve import RidgePenalty

    factors = (side[:, ::-1].copy() for side in (model.user_factors, model.item_factors))
    head = FactorsHead(*factors, RidgePenalty(factors=0.1, bias=None, by_count=True, unobserved=0.1))
    # Of a thousand items one has a chance of 30% or more, as in the tables of MovieLens.
    high = float(np.quantile(head.user_scores(np.arange(10, dtype=np.int32), model.seen), 0.999))
    chances = ChanceCalibration(float(np.log(0.3) - 1.5 * np.log(high + 0.01)), 1.5, 0.0, 0.0, 0.01)
    interest = Interest(chances, 1.0, model.mean)
    return dataclasses.replace(model, choice=head, interest=interest)


def table(columns: Table) -> Any:
    """Return a table as `Ratings`, ids counted from 1."""
    from palate import Ratings, RatingScale, Vocabulary

    ids = (
        Vocabulary(np.arange(1, size + 1), side) for size, side in ((columns.users, "user"), (columns.items, "item"))
    )
    return Ratings(*ids, *columns[:3], RatingScale(float(columns.rating.min()), float(columns.rating.max())))


def predicted(model: Any, task: Task) -> Any:
    """Return the predictions for the test pairs; -1 stands for who is not in the training table."""
    from palate import Ratings, RatingScale, Vocabulary

    test = task.test
    ids = (
        Vocabulary(np.append(np.arange(1, size + 1), 2**31), side)  # a last id that no model knows
        for size, side in ((test.users, "user"), (test.items, "item"))
    )
    rows = (
        np.where(row < 0, size, row).astype(np.int32)
        for row, size in ((test.user, test.users), (test.item, test.items))
    )
    return model.predict_table(
        Ratings(*ids, *rows, test.rating, RatingScale(float(test.rating.min()), float(test.rating.max())))
    )


def saved(path: Path, task: Task) -> Any:
    """Return the predictions of a saved model."""
    from palate import load

    return predicted(load(path), task)


def command(*arguments: Any) -> float:
    """Run a command of palate; return the seconds from its start to its end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "palate", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
