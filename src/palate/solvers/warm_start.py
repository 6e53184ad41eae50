"""Fits that go on from a model of fewer ratings: when that is possible, and what the new model records of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import SettingsError
from palate.model import Model
from palate.ratings import Ratings, Vocabulary

__all__ = ["FreshFit", "model_rows", "start_record", "usable_start"]

Floats = NDArray[np.float32]

# A table with this many times the ratings of the last fit from the start is fitted from the start.
_DOUBLED = 2.0
# From this growth on, or after this many fits that went on, a person is told that a fit from the start may be better.
_GROWN, _MANY = 1.25, 10
# Settings in which the model and the solver may differ: they do not change what is learnt, or only for how long.
_FREE = ("sweeps", "epochs", "time_budget", "device", "seed")


class FreshFit(NamedTuple):
    """What the record of a model says of the last fit from the start.

    Attributes
    ----------
    ratings
        How many ratings it learnt from.
    passes
        The number of its epochs or sweeps.
    pilot_sweeps
        The number of sweeps of its pilots, where pilots are sweeps of chains.
    warm_fits
        How many fits have gone on from it.
    """

    ratings: int
    passes: int
    pilot_sweeps: int = 0
    warm_fits: int = 0

    @classmethod
    def of(cls, model: Model) -> FreshFit:
        """Return the record of a model, the fit of which may have been the one from the start."""
        training, ratings = model.training, 0 if model.seen is None else len(model.seen.indices)
        if "start" in training:
            return cls(**{name: int(training["start"].get(name, 0)) for name in cls._fields})
        updated = sum(update["ratings"] - update["replaced"] for update in training.get("updates", []))
        passes = training.get("sweeps", training.get("epochs", 1))
        return cls(ratings - updated, int(passes), int(training.get("pilot_sweeps", 0)))


def usable_start(solver: Mapping[str, Any], model: Model | None, ratings: Ratings) -> Model | None:
    """Return the model from which a fit goes on; None if a fit from the start is better.

    Parameters
    ----------
    solver
        The record of the solver.
    model
        A model of the same solver with the same settings; None for a fit from the start.
    ratings
        What is to be fitted.

    Raises
    ------
    SettingsError
        If the model is of another solver or of other settings.
    """
    if model is None:
        return None
    for name, value in solver.items():
        if name not in _FREE and model.solver.get(name, value) != value:
            raise SettingsError(
                f"a fit goes on from a model with the same settings, and the model has {name} "
                f"{model.solver.get(name)!r}, not {value!r}: leave start out"
            )
    has_doubled = len(ratings) >= _DOUBLED * FreshFit.of(model).ratings
    return None if has_doubled or model.training.get("interrupted") else model


def start_record(start: Model | None, model: Model, ratings: int) -> dict[str, Any]:
    """Return what the record of a fitted model says of its start, with a note where a fit from the start is advised.

    Parameters
    ----------
    start
        The model from which the fit went on; None if it began from the start.
    model
        The fitted model.
    ratings
        How many ratings it learnt from.
    """
    notes = list(model.training.get("notes", []))
    if start is None:
        return {"start": FreshFit.of(model)._replace(ratings=ratings)._asdict(), "notes": notes}
    fresh = FreshFit.of(start)
    fresh = fresh._replace(warm_fits=fresh.warm_fits + 1)
    if ratings > _GROWN * fresh.ratings or fresh.warm_fits > _MANY:
        notes.append(
            f"the last fit from the start had {fresh.ratings:,} ratings, and {fresh.warm_fits:,} fits have gone on "
            "from it: fit from the start when there is time (palate retrain --fresh)"
        )
    return {"start": fresh._asdict(), "notes": notes}


def model_rows(model: Model, side: str, ids: Vocabulary) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Return which of some ids a model knows, and their factors and biases in the model.

    Parameters
    ----------
    model
        The model.
    side
        "users" or "items".
    ids
        All ids of this side in a table.

    Returns
    -------
    tuple
        The indices of the known ids, (known,); float32 (known, k) and (known,).
    """
    places = getattr(model, side).index(ids.ids)
    known = np.flatnonzero(places >= 0)
    name = side.removesuffix("s")
    return known, getattr(model, f"{name}_factors")[places[known]], getattr(model, f"{name}_bias")[places[known]]
