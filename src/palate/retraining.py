"""Fitting a served model anew, on the ratings it was fitted on and those that were given since."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, StorageError
from palate.ids import integer_of
from palate.model import Model
from palate.model.row_solve import FactorPrior
from palate.ratings import Grouped, Ratings, Vocabulary, is_single
from palate.refit import holding, solver_of
from palate.service.store import USER, VISITOR, Store
from palate.solvers import Epoch
from palate.storage import load, save

__all__ = ["Retrained", "merged", "retrain", "without_users"]

_log = logging.getLogger("palate.retrain")
Event = tuple[str, str, float | None]
RETRAINED = "retrained"


class Retrained(NamedTuple):
    """What came of it.

    Attributes
    ----------
    model
        The new model.
    ratings
        How many it was fitted on.
    stored
        How many came from the store, withdrawals included.
    visitors
        How many anonymous visitors it learned from, who have no rows in it.
    """

    model: Model
    ratings: int
    stored: int
    visitors: int


def retrain(
    path: Path,
    store: Store,
    *,
    threads: int | None = None,
    time_budget: float | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> Retrained:
    """Fit the model in a file anew and put the new one in its place.

    Anonymous visitors teach the model about items, but are no users of it afterwards: when they delete their ratings,
    nothing of them is left.

    Raises
    ------
    DataError
        If the model keeps no ratings.
    StorageError
        If the file is damaged, or is being fitted or was replaced by somebody else.
    """
    with holding(path):
        begun, seen = time.time(), path.stat()
        model = load(path)
        base = model.ratings()
        if base is None:
            raise DataError(f"{path} keeps no ratings to fit anew on")
        events = sound(model, store.everything())
        ratings, visitors = merged(base, events)
        solver = solver_of(model, {} if time_budget is None else {"time_budget": time_budget})
        fitted = solver.fit(ratings, threads=threads, progress=progress or False)
        if fitted.training.get("interrupted"):
            raise KeyboardInterrupt
        count = int(visitors.sum())
        fitted = without_users(dataclasses.replace(fitted, catalogue=model.catalogue), visitors)
        if (path.stat().st_ino, path.stat().st_mtime_ns) != (seen.st_ino, seen.st_mtime_ns):
            raise StorageError(f"{path} was replaced while it was fitted anew: the new fit is dropped")
        save(fitted, path)
        # Withdrawals outlive this fit: some were made during it, and the model before it is served for a moment yet.
        store.forget_withdrawals(float(store.fact(RETRAINED) or 0))
        store.set_fact(RETRAINED, str(begun))
        return Retrained(fitted, len(ratings), len(events), count)


def merged(base: Ratings, events: Iterable[Event]) -> tuple[Ratings, NDArray[np.bool_]]:
    """Return ratings overruled by events, and which of the users are anonymous visitors.

    Parameters
    ----------
    base
        The model's ratings.
    events
        (owner, item, rating); None withdraws a rating.
    """
    events = _telling(base, list(events))
    visitors = {owner: at for at, owner in enumerate(sorted({row[0] for row in events if row[0].startswith(VISITOR)}))}
    named = [owner[len(USER) :] for owner, _, _ in events if owner not in visitors]
    users, moved = _joined(base.users, named)
    items, shifted = _joined(base.items, [item for _, item, _ in events])
    count = len(users)
    if visitors:
        names: NDArray[Any] = np.array([f"\U0010ffff{owner}" for owner in visitors], dtype=object)
        if not users.is_text:  # after all others, so that they stay where they are
            names = np.arange(len(visitors)) + (int(users.ids[-1]) + 1 if count else 0)
        users = dataclasses.replace(users, ids=np.concatenate([users.ids, names]))
    user = np.array(
        [visitors[o] + count if o in visitors else users.require(o[len(VISITOR) :]) for o, _, _ in events], int
    )
    item = items.index([one for _, one, _ in events]) if events else np.empty(0, int)
    given = np.array([rating is not None for _, _, rating in events], bool)
    value = np.array([rating or 0.0 for _, _, rating in events], np.float32)
    old = moved[base.user].astype(np.int64) * len(items) + shifted[base.item]
    kept = ~np.isin(old, user * len(items) + item)
    columns = [
        np.concatenate([was[kept], now[given]])
        for was, now in ((moved[base.user], user), (shifted[base.item], item), (base.rating, value))
    ]
    table = Ratings(users, items, columns[0].astype(np.int32), columns[1].astype(np.int32), columns[2], base.scale)
    return table.compact(), (np.arange(len(users)) >= count)[table.user_counts > 0]


def sound(model: Model, events: Iterable[Event]) -> list[Event]:
    """Return the events that a model of this kind can be fitted on; a bad row is skipped and must not stop the fit."""
    good, bad = list[Event](), list[Event]()
    for event in events:
        (good if _is_sound(model, *event) else bad).append(event)
    if bad:
        _log.warning(f"{len(bad):,} rows of the store cannot be used and are skipped, such as {str(bad[0])[:200]}")
    return good


def _is_sound(model: Model, owner: object, item: object, rating: object) -> bool:
    if not (isinstance(owner, str) and isinstance(item, str) and item and owner[:2] in (USER, VISITOR) and owner[2:]):
        return False
    if rating is None:
        return True
    if not isinstance(rating, int | float) or not is_single(rating):
        return False
    return rating > 0 or not model.penalty.confidence


def _telling(base: Ratings, events: list[Event]) -> list[Event]:
    """Return events without the withdrawals by users whom the base does not know: their names must not shape ids."""
    gone = sorted({owner for owner, _, rating in events if rating is None})
    if not gone:
        return events
    known = dict(zip(gone, base.users.index([owner.removeprefix(USER) for owner in gone]) >= 0, strict=True))
    return [event for event in events if event[2] is not None or known[event[0]]]


def _joined(vocabulary: Vocabulary, others: list[str]) -> tuple[Vocabulary, NDArray[np.int32]]:
    """Return a vocabulary that has other ids too, and where each of its own went; numbers stay numbers if they can."""
    new = [id for id, at in zip(others, vocabulary.index(others), strict=True) if at < 0] if others else []
    old = vocabulary.ids
    numbers = [integer_of(one) for one in new]
    if not vocabulary.is_text and all(one is not None and abs(one) < 2**62 for one in numbers):
        ids = np.union1d(old, np.array(numbers, np.int64))
    else:
        old = old.astype(str).astype(object)
        ids = np.array(sorted({*old.tolist(), *new}), dtype=object)
    joined = dataclasses.replace(vocabulary, ids=ids)
    return joined, joined.index(old)


def without_users(model: Model, gone: NDArray[np.bool_]) -> Model:
    """Return a model that knows nothing of some of its users, but has learned from them."""
    if not gone.any():
        return model
    keep = ~gone
    seen, posterior = model.seen, model.posterior
    if seen is not None:
        rows = np.repeat(keep, np.diff(seen.indptr))
        ends = np.concatenate([[0], np.cumsum(np.diff(seen.indptr)[keep])]).astype(np.int64)
        seen = Grouped(ends, seen.indices[rows], seen.values[rows])
    if posterior is not None:
        unknown = np.append(keep, True)
        sets = posterior.items.sets[keep] if len(posterior.items.sets) else posterior.items.sets
        prior = FactorPrior(posterior.items.mean, posterior.items.precision, sets, posterior.items.noise[keep])
        noise, spread = posterior.user_noise[unknown], posterior.user_spread[unknown]
        posterior = dataclasses.replace(posterior, user_noise=noise, user_spread=spread, items=prior)
    return dataclasses.replace(
        model,
        users=dataclasses.replace(model.users, ids=model.users.ids[keep]),
        user_bias=model.user_bias[keep],
        user_factors=model.user_factors[keep],
        seen=seen,
        posterior=posterior,
        choice=None if model.choice is None else model.choice.without_users(keep),
    )
