"""A whole fit, from ratings to a saved and judged model: what is held out, when it is saved, what Ctrl-C leaves.

The command ``palate fit`` is `fit_and_save` with its options read and its result printed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from palate.catalogue import Catalogue
from palate.check import check_ratings
from palate.errors import SettingsError, StorageError
from palate.evaluation import Evaluation, evaluate
from palate.evaluation.lists import require_liked
from palate.files import may_hold_arrays, read_arrays
from palate.heads import Choices, add_choices
from palate.model import Model
from palate.ratings import Ratings
from palate.reading import ratings_of
from palate.solvers import SOLVERS, BayesianMF, Epoch, Solver
from palate.splits import holdout as hold_out
from palate.storage import save

__all__ = [
    "BothHeads",
    "FitResult",
    "check_fit_output",
    "check_model_output",
    "check_output",
    "checkpoint_path",
    "describe_ratings",
    "fit",
    "fit_and_save",
    "split_seed",
]


@dataclass(frozen=True)
class FitResult:
    """The outcome of `fit_and_save`.

    Attributes
    ----------
    model
        The model as it was saved, with its catalogue; where ratings were held out, ``model.training["holdout"]`` is
        the evaluation as plain values.
    output
        The model file.
    saved
        Whether the file was written. False only if Ctrl-C came before there was a model worth keeping.
    interrupted
        Whether Ctrl-C ended the fit early. The checkpoint is then left, for `resume`.
    ratings
        How many the model was fitted on.
    seconds
        Of the fit alone.
    evaluation
        On the ratings that were held out; None if none were.
    """

    model: Model
    output: Path
    saved: bool
    interrupted: bool
    ratings: int
    seconds: float
    evaluation: Evaluation | None

    def as_dict(self) -> dict[str, Any]:
        """Return the result of a fit that was saved as plain values."""
        model, history = self.model, self.model.training.get("history", [])
        return {
            "model": str(self.output),
            "bytes": self.output.stat().st_size,
            "ratings": self.ratings,
            "users": len(model.users),
            "items": len(model.items),
            "scale": [model.scale.low, model.scale.high],
            "solver": dict(model.solver),
            "training": {key: value for key, value in model.training.items() if key not in ("history", "holdout")},
            "training_rmse": history[-1]["training_rmse"] if history else None,
            "rows_per_epoch": history[-1]["rows"] if history else None,
            "holdout": self.evaluation.as_dict() if self.evaluation else None,
            "seconds": self.seconds,
        }


def fit(
    ratings: Ratings | Any,
    solver: Solver | str | None = None,
    *,
    item_features: Any = None,
    user_features: Any = None,
    choices: Choices = "auto",
    liked: float | None = None,
    threads: int | None = None,
    progress: Callable[[Epoch], None] | bool | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
) -> Model:
    """Fit a model that knows both what users would rate an item and how likely they choose it.

    Parameters
    ----------
    ratings
        The training table, or whatever `palate.read_ratings` reads.
    solver
        A solver or its name in `palate.SOLVERS`; by default `palate.BayesianMF`. A solver that predicts choices is
        fitted alone.
    item_features, user_features
        Attributes of items and users, as in `palate.solvers.Solver.fit`.
    choices
        How lists are ranked, see `palate.heads.add_choices`.
    liked
        The rating from which an item is liked; by default `palate.evaluation.lists.guess_liked`.
    threads, progress, checkpoint, resume
        As in `palate.solvers.Solver.fit`.

    Raises
    ------
    DataError, SettingsError, StorageError
        As in `palate.solvers.Solver.fit`.

    Examples
    --------
    >>> from palate import SGD, datasets
    >>> ratings = datasets.make_ratings(users=100, items=40, ratings=2000, seed=1)
    >>> fit(ratings, SGD(factors=4), choices="popularity").choice.kind
    'popularity'
    """
    solver = _solver_of(solver)
    liked = None if liked is None else require_liked(liked)
    model = solver.fit(
        ratings,
        item_features=item_features,
        user_features=user_features,
        threads=threads,
        progress=progress,
        checkpoint=checkpoint,
        resume=resume,
    )
    if model.training.get("interrupted"):
        return model
    return add_choices(model, choices, liked, threads=threads, seed=split_seed(solver))


def _solver_of(solver: Solver | str | None) -> Solver:
    """Return a solver, the one of a name, or the default.

    Raises
    ------
    SettingsError
        If it is none.
    """
    if solver is None:
        return BayesianMF()
    if isinstance(solver, str) and solver in SOLVERS:
        return SOLVERS[solver]
    if not isinstance(solver, Solver):
        raise SettingsError(
            f"a solver is an object such as palate.SGD(), or one of {', '.join(SOLVERS)}, not {solver!r}"
        )
    return solver


@dataclass(frozen=True)
class BothHeads:
    """A solver that is fitted as `fit` does, to be judged by `palate.evaluation.cross_validate` and `compare`.

    Parameters
    ----------
    solver
        With its settings.
    choices, liked
        As in `fit`.
    """

    solver: Solver
    choices: Choices = "auto"
    liked: float | None = None

    def fit(self, ratings: Ratings, *, threads: int | None = None) -> Model:
        """Fit a model: see `palate.workflow.fit`."""
        return fit(ratings, self.solver, choices=self.choices, liked=self.liked, threads=threads)


def fit_and_save(
    solver: Solver,
    ratings: Ratings | Any,
    output: str | Path,
    *,
    choices: Choices = "auto",
    liked: float | None = None,
    catalogue: Catalogue | None = None,
    holdout: float | None = None,
    seed: int | None = None,
    threads: int | None = None,
    progress: Callable[[Epoch], None] | bool | None = None,
    resume: bool = False,
) -> FitResult:
    """Fit a model, save it, and judge it on ratings that were held out.

    A checkpoint lies beside the model while the fit runs. The model is saved before it is judged and once more with its
    errors, so that nothing that happens in between can lose the fit. Ctrl-C ends the fit after the running epoch; what
    was reached is saved, unless there is nothing yet, or only a pilot that would replace a finished model.

    Parameters
    ----------
    solver
        With its settings.
    ratings
        The table, or whatever `palate.read_ratings` reads.
    output
        The model file. One that is there is replaced at the end.
    choices, liked
        As in `fit`.
    catalogue
        Titles and texts of the items, to be saved with the model.
    holdout
        Hold out this share of the ratings, between 0 and 1, and judge the model on it.
    seed
        Of the choice of the ratings that are held out; by default that of the solver, see `split_seed`.
    threads, progress
        As in `palate.solvers.Solver.fit`.
    resume
        Go on from the checkpoint of an interrupted fit, if there is one.

    Raises
    ------
    DataError
        If there are no ratings, or the solver cannot learn from them.
    SettingsError
        If the settings do not fit together or the fit diverges; the checkpoint is then removed.
    StorageError
        If the output cannot be written, or its checkpoint is no checkpoint or belongs to another fit.

    Examples
    --------
    >>> import tempfile
    >>> from palate import SGD, datasets
    >>> ratings = datasets.make_ratings(users=100, items=40, ratings=2000, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = fit_and_save(SGD(factors=4), ratings, Path(folder) / "model.palate", holdout=0.1)
    >>> result.ratings, result.saved, result.evaluation.ratings
    (1800, True, 200)
    """
    output = Path(output)
    check_fit_output(output)
    checkpoint = checkpoint_path(output)
    ratings = ratings_of(ratings)
    train, test = ratings, None
    if holdout is not None:
        train, test = hold_out(ratings, holdout, seed=split_seed(solver) if seed is None else seed)
    started = time.perf_counter()
    try:
        model = fit(
            train,
            solver,
            choices=choices,
            liked=liked,
            threads=threads,
            progress=progress,
            checkpoint=checkpoint,
            resume=resume,
        )
    except SettingsError:
        checkpoint.unlink(missing_ok=True)  # going on from it would fail in the same way
        raise
    seconds = time.perf_counter() - started
    model = replace(model, catalogue=catalogue or Catalogue())
    interrupted = bool(model.training.get("interrupted"))
    saved = not interrupted or _is_worth_keeping(model, output)
    evaluation = None
    if saved:
        save(model, output)
        if not interrupted:
            checkpoint.unlink(missing_ok=True)
        if test is not None:
            evaluation = evaluate(model, test, liked=liked, threads=threads)
            model = replace(model, training={**model.training, "holdout": evaluation.as_dict()})
            save(model, output)
    return FitResult(model, output, saved, interrupted, len(train), seconds, evaluation)


def _is_worth_keeping(model: Model, output: Path) -> bool:
    """Return whether to save a model whose fit was interrupted."""
    if not model.training.get("history"):
        return False
    # A pilot leaves a part of the ratings out: its model is better than nothing, and worse than a finished one.
    return model.training.get("stage") != "pilot" or not output.exists()


def split_seed(solver: Solver) -> int:
    """Return the seed of random splits: that of the solver, so that one number fixes a whole run; else 0.

    >>> from palate import SGD
    >>> split_seed(SGD(seed=7))
    7
    """
    return int(solver.record().get("seed", 0))


def describe_ratings(ratings: Ratings, catalogue: Catalogue | None = None) -> list[str]:
    """Return what should be known of a table before it is fitted, a sentence each.

    Raises
    ------
    DataError
        If nothing can be learnt from the table, because it has only one user or only one item.
    """
    lines = [*ratings.notes, *(catalogue.notes if catalogue else ()), *check_ratings(ratings)]
    for side, table in (("items", ratings.item_features), ("users", ratings.user_features)):
        if table is not None:
            lines += [f"attributes of {side}: {line}" for line in table.describe()]
    if catalogue:
        listed = sum(catalogue.get(ratings.items[index]) is not None for index in range(len(ratings.items)))
        lines.append(f"the catalogue has {listed:,} of the {len(ratings.items):,} rated items")
    return lines


def checkpoint_path(output: Path) -> Path:
    """Return where the checkpoint of a fit lies: beside the model.

    >>> checkpoint_path(Path("jokes.palate")).name
    'jokes.palate.checkpoint'
    """
    return output.with_name(output.name + ".checkpoint")


def check_fit_output(output: Path, *inputs: str | None) -> None:
    """Refuse a model file that cannot be written, whose checkpoint cannot be, or that would replace an input.

    Raises
    ------
    StorageError
        If so, or if the file at the place of the checkpoint is something else, which must not be overwritten.
    """
    check_model_output(output, *inputs)
    checkpoint = checkpoint_path(output)
    check_output(checkpoint, *inputs)
    if checkpoint.exists():
        read_arrays(checkpoint, "checkpoint", mmap=True)


def check_model_output(output: Path, *inputs: str | None) -> None:
    """Refuse a model file that cannot be written, or that would replace something else than a model.

    Raises
    ------
    StorageError
        If so: see `check_output`. An empty file, and one that is called *.palate, may be replaced.
    """
    check_output(output, *inputs)
    if output.suffix != ".palate" and output.exists() and output.stat().st_size and not may_hold_arrays(output):
        raise StorageError(f"{output} exists and is no palate model: name another file with -o, or remove it")


def check_output(output: Path, *inputs: str | None) -> None:
    """Refuse an output that cannot be written, or that would replace one of the inputs.

    Parameters
    ----------
    output
        The file to be written.
    inputs
        Files that are read, or other sources (a URL, the name of a data set); None is ignored.

    Raises
    ------
    StorageError
        If so.
    """
    try:
        if not output.name or not output.parent.is_dir():
            raise StorageError(f"folder {output.parent} does not exist: {output} cannot be written")
        if output.exists() and not output.is_file():
            raise StorageError(f"{output} is not an ordinary file and is not replaced: name another file")
        if not os.access(output.parent, os.W_OK):
            raise StorageError(f"folder {output.parent} may not be written into: {output} cannot be written")
        for name in inputs:
            if name is not None and Path(name).exists() and output.exists() and output.samefile(name):
                raise StorageError(f"{output} is read by this very command: name another file with -o")
    except OSError as error:
        raise StorageError(f"{output} cannot be written: {error.strerror or error}") from error
