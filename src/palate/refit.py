"""Fitting the model in a file anew: on its own ratings and more, with its own settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from palate.errors import DataError, SettingsError, StorageError
from palate.heads import refit_choices
from palate.model import Model
from palate.model.update import check_ratings
from palate.ratings import Ratings
from palate.reading import ratings_of
from palate.reading.join import join_ratings
from palate.reading.mixed_ids import with_warnings
from palate.service.portable import exclusive_lock
from palate.solvers import SOLVERS, Epoch, Solver, settings
from palate.storage import load, save

__all__ = ["Refitted", "lock_model", "refit", "solver_of"]


class Refitted(NamedTuple):
    """What came of it: the model as it was saved, how many ratings it was fitted on, and how many of them are new."""

    model: Model
    ratings: int
    new: int


def refit(
    path: str | Path,
    new: Ratings | Any,
    *,
    fresh: bool = False,
    threads: int | None = None,
    time_budget: float | None = None,
    progress: Callable[[Epoch], None] | bool | None = None,
) -> Refitted:
    """Add ratings to the model in a file: fit it anew on its own ratings and these, and replace the file.

    The solver and its settings, the scale and the catalogue are those of the model. Where a pair is rated again, the
    new rating counts. The fit goes on from the model, which takes a part of the time of a fit from the start: see the
    parameter `start` of `palate.solvers.Solver.fit`.

    Parameters
    ----------
    path
        The model file.
    new
        The new ratings, or whatever `palate.read_ratings` reads.
    fresh
        Fit from the start, with pilots. The kind and the settings of the choice head stay.
    threads, progress
        As in `palate.solvers.Solver.fit`.
    time_budget
        Seconds, instead of the model's own; for solvers that have one.

    Raises
    ------
    DataError
        If the model keeps no ratings, or a new rating is off its scale.
    SettingsError
        If no solver made the model.
    StorageError
        If the file is damaged, cannot be replaced, or is being fitted anew by somebody else. It stays as it was.

    Examples
    --------
    >>> import tempfile
    >>> from palate import SGD, datasets
    >>> model = SGD(factors=4).fit(datasets.make_ratings(users=100, items=40, ratings=2000, seed=1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, Path(folder) / "model.palate")
    ...     result = refit(Path(folder) / "model.palate", [(500, 7, 4.0), (500, 8, 1.0)])
    >>> result.ratings, result.model.users.find(500) >= 0
    (2002, True)
    """
    path, new = Path(path), ratings_of(new)
    with lock_model(path):
        model = load(path)
        base = model.ratings()
        if base is None:
            raise DataError(f"{path} keeps no ratings to fit anew on: fit a model on all ratings instead")
        check_ratings(model, new)
        ratings = join_ratings(
            [base, replace(new, declared_scale=base.scale)], duplicates="last", names=("the model", "the new ratings")
        )
        changes = {} if time_budget is None else {"time_budget": time_budget}
        start = None if fresh else model
        fitted = solver_of(model, changes).fit(ratings, threads=threads, progress=progress, start=start)
        if fitted.training.get("interrupted"):
            raise KeyboardInterrupt
        fitted = replace(fitted, catalogue=model.catalogue, training=with_warnings(fitted.training, ratings.notes))
        fitted = refit_choices(model, fitted, fresh=fresh, threads=threads)
        save(fitted, path)
    return Refitted(fitted, len(ratings), len(new))


@contextmanager
def lock_model(path: Path) -> Iterator[None]:
    """Keep other processes from fitting the same file while the block runs.

    Raises
    ------
    StorageError
        If another process fits it, or it cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise StorageError(f"model {path} is no regular file")
        with exclusive_lock(path):
            yield
    except BlockingIOError as error:
        raise StorageError(f"{path} is being fitted already: wait until that fit has ended") from error
    except OSError as error:
        raise StorageError(f"model {path} cannot be read: {error.strerror or error}") from error


def solver_of(model: Model, changes: Mapping[str, Any]) -> Solver:
    """Return the solver that fitted a model, with the same settings except for changes.

    Raises
    ------
    SettingsError
        If the model was not made by a solver.
    """
    name = str(model.solver.get("name"))
    if name not in SOLVERS:
        raise SettingsError(f"a model of the solver {name!r} cannot be fitted again: this palate has no such solver")
    values = {**model.solver, **changes}
    names = {setting.name for setting in settings(SOLVERS[name])} & set(values)
    return replace(SOLVERS[name], **{name: values[name] for name in names})
