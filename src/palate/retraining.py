"""Fitting a served model again, on its training ratings and on the ratings that were stored since."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError, StorageError, StoreError
from palate.heads import refit_choices
from palate.ids import integer_of
from palate.model import Model
from palate.ratings import Grouped, Ratings, Vocabulary, is_single
from palate.reading.mixed_ids import IdPart, MixedIds, mixed_ids, odd_id, with_warnings
from palate.refit import lock_model, solver_of
from palate.service.retrains import Retrains
from palate.service.store import USER, VISITOR, Store
from palate.solvers import Epoch
from palate.storage import load, save

__all__ = ["Retrained", "merge", "retrain", "usable_events", "without_users"]

_log = logging.getLogger("palate.retrain")
Event = tuple[str, str, float | None]


class Retrained(NamedTuple):
    """The result of a fit.

    Attributes
    ----------
    model
        The new model.
    ratings
        The number of ratings that it was fitted on.
    stored
        The number of rows that came from the store, withdrawals included.
    visitors
        The number of anonymous visitors that it learned from. They have no rows in it.
    """

    model: Model
    ratings: int
    stored: int
    visitors: int


def retrain(
    path: Path,
    store: Store,
    *,
    fresh: bool = False,
    threads: int | None = None,
    time_budget: float | None = None,
    progress: Callable[[Epoch], None] | bool | None = None,
) -> Retrained:
    """Fit the model in a file again, and replace the file.

    The model learns from the ratings of anonymous visitors, but they are not users of the new model: when they delete
    their ratings, nothing of them is left. So the fit goes on from the old model only where that model has learnt no
    ratings of visitors, and no rating was withdrawn since; otherwise it begins from the start.

    Parameters
    ----------
    path
        The model file.
    store
        The event store.
    fresh
        Fit from the start in any case.
    threads, progress
        As in `Solver.fit`.
    time_budget
        Seconds, instead of the time budget of the model's own settings.

    Raises
    ------
    DataError
        If the model keeps no ratings.
    StorageError
        If the file is damaged, if another process fits it, or if it was replaced during the fit.
    """
    retrains = Retrains(store)
    with lock_model(path):
        id = retrains.begin()
        try:
            result = _fit_again(path, store, fresh, threads=threads, time_budget=time_budget, progress=progress)
        except BaseException as error:
            with suppress(StoreError):
                retrains.fail(id, str(error) or type(error).__name__)
            raise
        # Newer withdrawals stay: some were made during this fit, and the old model is still served for a moment.
        store.forget_withdrawals(retrains.fitted_change)
        retrains.finish(id, result.ratings)
        return result


def _fit_again(
    path: Path,
    store: Store,
    fresh: bool,
    *,
    threads: int | None,
    time_budget: float | None,
    progress: Callable[[Epoch], None] | bool | None,
) -> Retrained:
    before = path.stat()
    model = load(path)
    base = model.ratings()
    if base is None:
        raise DataError(f"{path} keeps no ratings to fit again: fit it from its table")
    events = usable_events(model, store.everything())
    ratings, visitors = merge(base, events, time.time())
    solver = solver_of(model, {} if time_budget is None else {"time_budget": time_budget})
    fresh = fresh or bool(model.training.get("visitors")) or _has_withdrawn(base, ratings)
    start = None if fresh else model
    fitted = solver.fit(ratings, threads=threads, progress=progress or False, start=start)
    if fitted.training.get("interrupted"):
        raise KeyboardInterrupt
    fitted = refit_choices(model, fitted, fresh=fresh, threads=threads)
    count = int(visitors.sum())
    training = {**with_warnings(fitted.training, ratings.notes), "visitors": count}
    fitted = without_users(dataclasses.replace(fitted, catalogue=model.catalogue, training=training), visitors)
    if (path.stat().st_ino, path.stat().st_mtime_ns) != (before.st_ino, before.st_mtime_ns):
        raise StorageError(f"{path} was replaced while it was being fitted: the new fit is dropped")
    save(fitted, path)
    return Retrained(fitted, len(ratings), len(events), count)


def _has_withdrawn(base: Ratings, ratings: Ratings) -> bool:
    """Return whether a pair that `base` rates is not rated any more."""
    user, item = ratings.users.index(base.users.ids)[base.user], ratings.items.index(base.items.ids)[base.item]
    return bool(np.isnan(ratings.of_pairs(user, item)).any())


def merge(base: Ratings, events: Iterable[Event], now: float = 0.0) -> tuple[Ratings, NDArray[np.bool_]]:
    """Return ratings with events applied, and which of the users are anonymous visitors.

    Parameters
    ----------
    base
        The ratings that the model was fitted on.
    events
        (owner, item, rating) of each event; a rating replaces that of `base`, and None removes it.
    now
        The time of the events, in seconds since 1970, if `base` has times.

    Returns
    -------
    ratings, visitors
        The new ratings, and a mask of shape (users,). Visitors come after all other users.
    """
    events = _without_foreign_withdrawals(base, list(events))
    owners = [owner for owner, _, _ in events]
    visitors = {owner: index for index, owner in enumerate(sorted({o for o in owners if o.startswith(VISITOR)}))}
    users, new_user = _extended(base.users, [owner.removeprefix(USER) for owner in owners if owner not in visitors])
    items, new_item = _extended(base.items, [item for _, item, _ in events])
    notes = [*_mixed_ids(base, base.users, users), *_mixed_ids(base, base.items, items)]
    for note in notes:
        _log.warning(note)
    named = len(users)
    users = _with_visitors(users, list(visitors))
    user = np.array([_event_user(users, visitors, named, owner) for owner in owners], int)
    item = items.index([item for _, item, _ in events]) if events else np.empty(0, int)
    is_rated = np.array([rating is not None for _, _, rating in events], bool)
    rating = np.array([rating or 0.0 for _, _, rating in events], np.float32)
    base_user, base_item = new_user[base.user], new_item[base.item]
    pair = base_user.astype(np.int64) * len(items) + base_item
    is_unchanged = ~np.isin(pair, user * len(items) + item)
    table = Ratings(
        users,
        items,
        np.concatenate([base_user[is_unchanged], user[is_rated]]).astype(np.int32),
        np.concatenate([base_item[is_unchanged], item[is_rated]]).astype(np.int32),
        np.concatenate([base.rating[is_unchanged], rating[is_rated]]),
        base.scale,
        notes=tuple(notes),
        time=None if base.time is None else np.append(base.time[is_unchanged], np.full(is_rated.sum(), int(now))),
        user_features=base.user_features,
        item_features=base.item_features,
    )
    return table.compact(), (np.arange(len(users)) >= named)[table.user_counts > 0]


def _mixed_ids(base: Ratings, old: Vocabulary, extended: Vocabulary) -> list[MixedIds]:
    """Say that the integers of a model became text, because the store has an id that is text."""
    if old.is_text or not extended.is_text:
        return []
    parts = [IdPart("the model", len(base), None), IdPart("the store", 0, odd_id(extended.ids))]
    return mixed_ids(old.kind, parts)


def _event_user(users: Vocabulary, visitors: Mapping[str, int], named: int, owner: str) -> int:
    """Return the user index of an owner."""
    return named + visitors[owner] if owner in visitors else users.require(owner.removeprefix(USER))


def _with_visitors(users: Vocabulary, visitors: list[str]) -> Vocabulary:
    """Return a vocabulary with temporary ids for visitors, which sort after all other ids."""
    if not visitors:
        return users
    ids: NDArray[Any]
    if users.is_text:
        ids = np.array([f"\U0010ffff{owner}" for owner in visitors], dtype=object)
    else:
        ids = np.arange(len(visitors)) + (int(users.ids[-1]) + 1 if len(users) else 0)
    return dataclasses.replace(users, ids=np.concatenate([users.ids, ids]))


def usable_events(model: Model, events: Iterable[Event]) -> list[Event]:
    """Return the events that such a model can be fitted on. Others are skipped: a bad row must not stop the fit."""
    usable, bad = list[Event](), list[Event]()
    for event in events:
        (usable if _is_usable(model, *event) else bad).append(event)
    if bad:
        _log.warning(f"{len(bad):,} rows of the store cannot be used and are skipped, such as {str(bad[0])[:200]}")
    return usable


def _is_usable(model: Model, owner: object, item: object, rating: object) -> bool:
    if not (isinstance(owner, str) and isinstance(item, str) and item and owner[:2] in (USER, VISITOR) and owner[2:]):
        return False
    if rating is None:
        return True
    if not isinstance(rating, int | float) or not is_single(rating):
        return False
    return rating > 0 or not model.penalty.confidence


def _without_foreign_withdrawals(base: Ratings, events: list[Event]) -> list[Event]:
    """Return events without withdrawals by users that `base` lacks: their names must not turn all ids into texts."""
    owners = sorted({owner for owner, _, rating in events if rating is None})
    if not owners:
        return events
    is_known = base.users.index([owner.removeprefix(USER) for owner in owners]) >= 0
    known = {owner for owner, known in zip(owners, is_known, strict=True) if known}
    return [event for event in events if event[2] is not None or event[0] in known]


def _extended(vocabulary: Vocabulary, ids: list[str]) -> tuple[Vocabulary, NDArray[np.int32]]:
    """Return a vocabulary with more ids, and the new index of each old one, (old,).

    Integers stay integers if all new ids are integers, too.
    """
    new = [id for id, index in zip(ids, vocabulary.index(ids), strict=True) if index < 0] if ids else []
    old = vocabulary.ids
    numbers = [integer_of(id) for id in new]
    if not vocabulary.is_text and all(number is not None and abs(number) < 2**62 for number in numbers):
        all_ids = np.union1d(old, np.array(numbers, np.int64))
    else:
        old = old.astype(str).astype(object)
        all_ids = np.array(sorted({*old.tolist(), *new}), dtype=object)
    extended = dataclasses.replace(vocabulary, ids=all_ids)
    return extended, extended.index(old)


def without_users(model: Model, removed: NDArray[np.bool_]) -> Model:
    """Return a model without some of its users; what it learned from them about items stays.

    Parameters
    ----------
    model
        The model.
    removed
        Which users to remove, (users,).
    """
    if not removed.any():
        return model
    keep = ~removed
    seen, times = model.seen, model.seen_time
    if seen is not None:
        rows = np.repeat(keep, np.diff(seen.indptr))
        ends = np.concatenate([[0], np.cumsum(np.diff(seen.indptr)[keep])]).astype(np.int64)
        seen = Grouped(ends, seen.indices[rows], seen.values[rows])
        times = None if times is None else times[rows]
    return dataclasses.replace(
        model,
        users=dataclasses.replace(model.users, ids=model.users.ids[keep]),
        user_bias=model.user_bias[keep],
        user_factors=model.user_factors[keep],
        seen=seen,
        seen_time=times,
        posterior=None if model.posterior is None else model.posterior.without_users(keep),
        choice=None if model.choice is None else model.choice.without_users(keep),
        times=None if model.times is None else model.times.without_users(keep),
    )
