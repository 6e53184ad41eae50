"""The base class of solvers: a frozen dataclass of settings with one way to fit."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, ClassVar, Protocol, Self

from palate.attributes import Attributes
from palate.check import suspicions
from palate.errors import DataError, PalateWarning, SettingsError
from palate.gpu.pool import DevicePool
from palate.model import Model, Predicts
from palate.ratings import Ratings
from palate.reading import ratings_of
from palate.reading.attributes import Side, attributes_of
from palate.solvers.progress import is_quiet, is_watched, progress_bar
from palate.solvers.session import Progress, Session, open_session
from palate.solvers.warm_start import start_record, usable_start

__all__ = ["Runner", "Solver"]


class Runner(Protocol):
    """One fit at work."""

    def go(self, resume: bool) -> Model:
        """Run the passes that remain, after those of the checkpoint if `resume`; return the model.

        `Solver.fit` adds the name and the settings of the solver to the model.
        """


@dataclass(frozen=True)
class Solver:
    """A way to fit a model. A subclass declares its settings as fields (see `palate.solvers.settings.setting`).

    Attributes
    ----------
    name
        What the command line, the model file and reports call the solver.
    summary
        One line of help for ``--solver``.
    runs
        The class that does the work, as "module:class". It is imported when a fit begins, so that reading the settings
        does not load it. It is called with the solver and a `Session`, and returns a `Runner`.
    predicts
        What the scores of its models are: "rating", or "choice" (how likely a user chooses an item).
    compared
        Whether `palate.compare` takes the solver when none is named.
    learns_from
        Whose attributes fits use: "user", "item", both or none.
    goes_on
        Whether a fit can go on from a model of fewer ratings.

    Examples
    --------
    A solver of a few lines. After `palate.solvers.register` it can be asked for by name:

    >>> from dataclasses import dataclass
    >>> from palate.solvers import SGD, Solver, setting
    >>> @dataclass(frozen=True)
    ... class OnePass(Solver):
    ...     name = "one-pass"
    ...     summary = "a single pass of sgd"
    ...     seed: int = setting(0, "of the order of the steps", least=0)
    ...
    ...     def runner(self, session):
    ...         return SGD(epochs=1, seed=self.seed).runner(session)
    >>> from palate.datasets import make_ratings
    >>> OnePass().fit(make_ratings(users=20, items=10, ratings=100, seed=1)).solver
    {'name': 'one-pass', 'seed': 0}
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    runs: ClassVar[str] = ""
    predicts: ClassVar[Predicts] = "rating"
    compared: ClassVar[bool] = True
    learns_from: ClassVar[tuple[Side, ...]] = ()
    goes_on: ClassVar[bool] = False

    def runner(self, session: Session) -> Runner:
        """Return the fit at work, an object of the class that `runs` names."""
        runner: Runner = resolve_name(self.runs)(self, session)
        return runner

    def fit(
        self,
        ratings: Ratings | Any,
        *,
        item_features: Any = None,
        user_features: Any = None,
        threads: int | None = None,
        progress: Progress | bool | None = None,
        checkpoint: Path | None = None,
        resume: bool = False,
        start: Model | None = None,
    ) -> Model:
        """Fit a model.

        Parameters
        ----------
        ratings
            The training table, or whatever `palate.read_ratings` reads: a path, a frame, arrays, a list of rows. Ids
            without ratings are left out of the model, unless they have attributes.
        item_features, user_features
            What is known of the items and users: a table of attributes, a row each, or whatever
            `palate.read_attributes` reads. Rows without ratings are in the model then, predicted from their attributes.
        threads
            How many, by default one for each available core. The number does not change the result.
        progress
            True shows a bar, False shows nothing; by default a bar is shown on a terminal and in a notebook. A function
            is called with an `Epoch` after each epoch or sweep instead.
        checkpoint
            A file that is replaced after an epoch, at most once a second.
        resume
            Continue from the checkpoint if it exists. The model is then the same as that of an uninterrupted fit.
        start
            A model that the solver fitted, with the same settings, on most of these ratings. The fit goes on from where
            that fit ended: it keeps what its pilots chose and makes a fraction of its passes. Where the ratings have
            doubled since the last fit from the start, the fit begins from the start by itself. What was done is in
            ``model.training["start"]``.

        Returns
        -------
        Model
            Ctrl-C ends the fit after the running epoch. The model then holds what the fit has reached, and
            ``model.training["interrupted"]`` is true.

        Warns
        -----
        PalateWarning
            If something about the ratings looks like a mistake: all are the same, they look like times or ids, or their
            columns were guessed.

        Raises
        ------
        ReadError
            If the ratings are to be read and cannot be.
        DataError
            If there are no ratings, or the solver cannot learn from them.
        SettingsError
            If a setting is impossible, settings do not fit together, `start` has others, the fit diverges, the
            regularization is too weak for float32, or there is no graphics card, or too little memory on it, where a
            setting asks for one.
        MissingExtraError
            If ``device="cuda"`` and PyTorch is not installed.
        StorageError
            If the checkpoint belongs to another fit or cannot be written.
        """
        ratings = self._with_features(ratings_of(ratings), item_features, user_features)
        if not is_quiet():
            for suspicion in suspicions(ratings):
                warnings.warn(suspicion, PalateWarning, stacklevel=2)
        start = usable_start(self.record(), start, ratings) if self.goes_on else None
        shows = is_watched() if progress is None else progress is True
        with (
            progress_bar() if shows else nullcontext(progress if callable(progress) else None) as report,
            open_session(self, ratings, threads, report, checkpoint, start) as session,
        ):
            model = self.runner(session).go(resume)
            if isinstance(session.run, DevicePool):
                model = replace(model, training={**model.training, "device": session.run.label})
            times = session.ratings.time_by_user if model.seen is not None else None
            record = {**model.training, **start_record(session.start, model, len(session.ratings))}
            model = replace(model, solver=self.record(), seen_time=times, training=record)
        if not model.predicts_numbers:
            raise DataError(
                f"ratings of {model.scale} are too large for float32, in which products of factors are computed: "
                "divide them by a constant"
            )
        return model

    def products(self, ratings: int) -> float:
        """Return about how many products of two numbers one step takes: where there are many, "auto" takes a card."""
        return float(ratings * (getattr(self, "factors", 0) + 1) ** 2)

    def require_features(self, sides: Iterable[Side]) -> None:
        """Refuse attributes of a side that the solver does not learn from.

        Raises
        ------
        SettingsError
            If there is one.
        """
        for side in sides:
            if side not in self.learns_from:
                others = "bayes, als or implicit" if side == "user" else "bayes, als, implicit or ease"
                raise SettingsError(
                    f"the solver {self.name!r} does not learn from attributes of {side}s: use {others}, or leave "
                    f"{side}_features out (--{side}-features)"
                )

    def _with_features(self, ratings: Ratings, item_features: Any, user_features: Any) -> Ratings:
        """Return the ratings with the attributes from which the solver learns.

        Attributes that came with the ratings are for the solvers that learn from them; the others leave them out.
        """
        tables: dict[Side, Attributes | None] = {
            "item": attributes_of(item_features, "item"),
            "user": attributes_of(user_features, "user"),
        }
        self.require_features(side for side, table in tables.items() if table is not None)
        came = {"item": ratings.item_features, "user": ratings.user_features}
        kept: dict[str, Any] = {
            f"{side}_features": (came[side] if table is None else table) if side in self.learns_from else None
            for side, table in tables.items()
        }
        return replace(ratings, **kept)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name, as scikit-learn's estimators do; `deep` has no effect.

        >>> from palate import SGD
        >>> SGD(factors=4).get_params()["factors"]
        4
        """
        return asdict(self)

    def set_params(self, **settings: Any) -> Self:
        """Return the solver with other settings. The solver itself does not change.

        Raises
        ------
        SettingsError
            If there is no setting of a name.

        Examples
        --------
        >>> from palate import SGD
        >>> SGD(factors=4).set_params(epochs=3).get_params()["epochs"]
        3
        """
        names = [field.name for field in fields(self)]
        for name in settings:
            if name not in names:
                raise SettingsError(f"{self.name} has no setting {name!r}: choose from {', '.join(names)}")
        return replace(self, **settings)

    def record(self) -> dict[str, Any]:
        """Return the name and the settings as plain values, as the model file keeps them."""
        return {"name": self.name, **asdict(self)}
