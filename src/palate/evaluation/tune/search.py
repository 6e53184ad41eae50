"""The search itself: what Optuna proposes is fitted on folds, and given up early where it is worse."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, MissingExtraError, PalateError, SettingsError, StorageError
from palate.solvers import Setting, Solver, settings

__all__ = [
    "JudgeFold",
    "Search",
    "Trial",
    "best_trial",
    "is_pruned",
    "open_study",
    "optuna_at_hand",
    "space_of",
    "start_trial",
]

_STUDY = "palate"
# A fold is judged in this number of parts. They are the pairs of the test that ends a trial early, after one fold at
# the earliest.
_PARTS = 8
# A trial ends early if a paired test says with this p value that it is worse than the best one.
_PRUNED_BELOW = 0.05


class Trial(NamedTuple):
    """One set of settings that was tried.

    Attributes
    ----------
    number
        From 0, which has the settings that the search began with.
    settings
        Those that were searched for; a setting that is missing was left to the solver.
    value
        The mean over the folds that were fitted, of squared errors or of a measure; None if a fit failed or the time
        was over.
    pruned
        Whether it was given up after fewer than all folds.
    best
        Whether it was the best so far.
    """

    number: int
    settings: dict[str, Any]
    value: float | None
    pruned: bool
    best: bool


#: Fits a solver on a fold; returns a value for each row or user of its test part, float64: the same for every solver.
JudgeFold = Callable[[Solver, int], NDArray[np.float64]]


class Search:
    """Fits what Optuna proposes.

    Parameters
    ----------
    solver
        With the settings that the search begins with.
    space
        The settings to search for.
    folds
        How many there are.
    judge
        See `JudgeFold`.
    deadline
        On the monotonic clock.
    """

    def __init__(self, solver: Solver, space: list[Setting], folds: int, judge: JudgeFold, deadline: float) -> None:
        self.solver, self.space, self.folds, self.judge, self.deadline = solver, space, folds, judge, deadline
        self.at_the_start = 0.0
        self.seconds: list[float] = []
        self.failure: PalateError | None = None

    def run(self, study: Any, trials: int | None, done: Callable[[Trial], None] | None) -> None:
        """Try settings until the time is over, or the study holds this number of trials."""
        import optuna

        for left in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):  # of a process that was ended
            study.tell(left.number, state=optuna.trial.TrialState.FAIL)
        if start_trial(study) is None and not _waiting(study):
            known = {one.name: one.default for one in self.space if _is_inside(one)}
            study.enqueue_trial(known, user_attrs={"start": True})
        callbacks = [lambda study, trial: done(_told(study, trial))] if done else []
        while _waiting(study) or ((trials is None or len(study.trials) < trials) and not self._is_late()):
            study.optimize(self._try, n_trials=1, catch=(PalateError,), callbacks=callbacks)
            if start_trial(study) is None:
                break  # the settings to begin with cannot be fitted

    def _is_late(self) -> bool:
        """Whether the next fit, and the two at the end, would take longer than there is time."""
        usual = median(self.seconds) if self.seconds else 0.0
        return time.monotonic() + 2 * usual + (self.at_the_start or usual) > self.deadline

    def _try(self, trial: Any) -> float:
        is_start = bool(trial.user_attrs.get("start"))
        proposed = {one.name: _suggest(trial, one) for one in self.space if not is_start or _is_inside(one)}
        values: list[float] = []
        for fold in range(self.folds):
            if self._is_late():
                if not is_start:
                    raise SettingsError("the time is over")
                if values:
                    break  # one fold judges the settings to begin with, if there is no time for more
            started = time.monotonic()
            try:
                judged = self.judge(self.solver if is_start else replace(self.solver, **proposed), fold)
            except PalateError as error:
                self.failure = error
                raise
            self.seconds.append(time.monotonic() - started)
            for part, some in enumerate(np.array_split(judged, min(_PARTS, len(judged)))):
                values.append(float(some.mean()))
                trial.report(values[-1], fold * _PARTS + part)
            if fold + 1 < self.folds and trial.should_prune():
                trial.set_user_attr("pruned", True)
                break
        if is_start:
            self.at_the_start = min(self.seconds)  # the first fit may load or compile kernels, too
        return float(np.mean(values))


def start_trial(study: Any) -> Any:
    """Return the trial with the settings that the search began with; None if it has no value."""
    return next((one for one in study.trials if one.user_attrs.get("start") and one.value is not None), None)


def is_pruned(trial: Any) -> bool:
    """Whether a trial was given up after fewer than all folds."""
    return bool(trial.user_attrs.get("pruned"))


def _told(study: Any, trial: Any) -> Trial:
    is_best = trial.value is not None and study.best_trial.number == trial.number
    return Trial(trial.number, dict(trial.params), trial.value, is_pruned(trial), is_best)


def space_of(solver: Solver, fixed: Collection[str]) -> list[Setting]:
    """Return the settings to search for.

    Raises
    ------
    SettingsError
        If there are none, or one that is to stay as it is does not exist.
    """
    all_settings = settings(solver)
    for name in fixed:
        if name not in {one.name for one in all_settings}:
            raise SettingsError(f"{name} is no setting of the solver {solver.name!r}")
    space = [one for one in all_settings if one.search and one.name not in fixed]
    if not space:
        raise SettingsError(f"the solver {solver.name!r} declares no other settings to search for")
    return space


def _suggest(trial: Any, one: Setting) -> Any:
    if one.search is True or not one.search:
        return trial.suggest_categorical(one.name, one.choices or [False, True])
    suggest = trial.suggest_int if one.type is int else trial.suggest_float
    return suggest(one.name, *one.search[:2], log="log" in one.search[2:])


def _is_inside(one: Setting) -> bool:
    """Whether the default is a value that could be proposed: then the sampler learns from it too."""
    if isinstance(one.search, tuple):
        return one.default is not None and one.search[0] <= one.default <= one.search[1]
    return one.default is not None


def _waiting(study: Any) -> int:
    return sum(one.state.name == "WAITING" for one in study.trials)


def best_trial(study: Any, failure: PalateError | None) -> Any:
    """Return the trial with the best value.

    Raises
    ------
    DataError
        If the settings that the search began with could not be fitted.
    """
    if start_trial(study) is None:
        raise DataError(f"the settings to begin with cannot be fitted{f': {failure}' if failure else ''}")
    return study.best_trial


@contextmanager
def optuna_at_hand() -> Iterator[None]:
    """Keep Optuna from printing.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("the search for settings", "tune") from error
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def open_study(path: str | Path | None, description: dict[str, Any], direction: str, seed: int) -> Any:
    """Begin a study, or go on with the one in a file.

    Parameters
    ----------
    path
        An SQLite file; None keeps the study in memory.
    description
        Of the search: a study in the file must be of the same one.
    direction
        "minimize" or "maximize".
    seed
        Of the proposals.

    Raises
    ------
    StorageError
        If the file cannot be used.
    SettingsError
        If it holds another search.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    options: dict[str, Any] = {
        "study_name": _STUDY,
        "direction": direction,
        "pruner": optuna.pruners.WilcoxonPruner(p_threshold=_PRUNED_BELOW),
    }
    try:
        storage = None if path is None else optuna.storages.RDBStorage(f"sqlite:///{path}")
        study = optuna.create_study(storage=storage, load_if_exists=True, **options)
        known = study.user_attrs.get("search")
        if known is None:
            study.set_user_attr("search", description)
        # The same seed would propose again what was tried first.
        study.sampler = optuna.samplers.TPESampler(seed=(seed + len(study.trials)) % 2**32)
    except (SQLAlchemyError, optuna.exceptions.OptunaError, OSError) as error:
        reason = " ".join(str(error).split("\n", 1)[0].split())
        raise StorageError(f"{path} cannot be used as a study: {reason}") from error
    for key, value in description.items():
        if known is not None and known.get(key) != value:
            shown = "the table is another one" if key == "table" else f"{key} was {known.get(key)}, and is now {value}"
            raise SettingsError(f"{path} is the study of another search: {shown}; name another file")
    return study
