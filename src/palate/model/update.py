"""A model with more ratings, without fitting again: rows that are touched are folded in anew, all others stay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.model.arrays import Floats, ModelArrays
from palate.model.choice import ChoiceHead, FactorsHead, PopularityHead, WeightsHead
from palate.model.fold_in import item_equations, user_equations
from palate.model.moment import pair_shift, timed_model
from palate.model.row_solve import FactorPrior, RowPrior, design_matrix, solve_row
from palate.model.time_effects import TimeEffects
from palate.model.update_weights import add_items, weight_settings
from palate.ratings import Grouped, Ratings
from palate.reading import ratings_of
from palate.reading.join import join_ratings

__all__ = ["check_ratings", "with_ratings"]

Indices = NDArray[np.int32]
Doubles = NDArray[np.float64]

# Users and items are folded in by turns, since new users may have rated new items.
_ROUNDS = 2


class _Growth(NamedTuple):
    """The joined table, the new index of each old user and item, and the rows to fold in anew."""

    table: Ratings
    user_move: Indices
    item_move: Indices
    users: Indices
    items: Indices


class _Equations(Protocol):
    def __call__(self, model: ModelArrays, others: Indices, ratings: Floats, /) -> tuple[Floats, Doubles, RowPrior]: ...


def with_ratings(model: ModelArrays, new: Ratings | Any) -> ModelArrays:
    """Return the model with more ratings: see `palate.Model.with_ratings`."""
    new = ratings_of(new)
    base = model.ratings()
    if base is None:
        raise DataError("this model keeps no ratings, so none can be added: fit it on all of them")
    check_ratings(model, new)
    growth = _grow(base, new)
    grown = _extend(model, growth)
    if not len(new):
        return replace(grown, times=model.times)
    if model.factors or model.predicts == "rating":
        grown = _fold(grown, growth.table, growth.users, growth.items, model.posterior is not None)
    choice = None if model.choice is None else _extend_head(model.choice, grown, growth)
    grown = replace(grown, times=_extend_times(model, growth))
    return replace(grown, choice=choice, training={**model.training, "updates": _record(model, base, new, growth)})


def check_ratings(model: ModelArrays, new: Ratings) -> None:
    """Refuse ratings that the model's solver could not have been fitted on.

    Raises
    ------
    DataError
        If a rating is off the model's scale, or is not above zero where it is a confidence.
    """
    is_off = new.rating != model.scale.clip(new.rating) if model.predicts == "rating" else new.rating <= 0
    if (model.predicts == "rating" or model.positive_ratings) and is_off.any():
        at = int(is_off.argmax())
        fault = f"is off the model's scale, {model.scale}" if model.predicts == "rating" else "is not above zero"
        raise DataError(
            f"the rating {new.rating[at]:g} of item {new.items[int(new.item[at])]!r} {fault}: leave it out, or fit on "
            "all ratings with another scale"
        )


def _grow(base: Ratings, new: Ratings) -> _Growth:
    if base.time is not None and new.time is None:  # they come after all others
        new = replace(new, time=np.full(len(new), base.time.max(initial=0)))
    table = join_ratings([base, replace(new, declared_scale=base.scale)], duplicates="last")
    user_move, item_move = (
        getattr(table, side).index(_as_ids(getattr(base, side).ids, getattr(table, side).is_text))
        for side in ("users", "items")
    )
    users, items = (
        np.unique(getattr(table, side).index(_as_ids(getattr(new, side).ids, getattr(table, side).is_text)))
        for side in ("users", "items")
    )
    return _Growth(table, user_move, item_move, users, items)


def _as_ids(ids: NDArray[Any], is_text: bool) -> NDArray[Any]:
    return ids.astype(str).astype(object) if is_text else ids


def _extend(model: ModelArrays, growth: _Growth) -> ModelArrays:
    """Give the new rows what is expected of rows without ratings."""
    table, posterior = growth.table, model.posterior
    means: list[Doubles] = [np.zeros(model.factors + 1)] * 2
    if posterior is not None:
        means = [posterior.users.mean, posterior.items.mean]
    users, items = len(table.users), len(table.items)
    return replace(
        model,
        users=table.users,
        items=table.items,
        user_bias=_moved(model.user_bias, growth.user_move, users, means[0][-1]),
        item_bias=_moved(model.item_bias, growth.item_move, items, means[1][-1]),
        user_factors=_moved(model.user_factors, growth.user_move, users, means[0][:-1]),
        item_factors=_moved(model.item_factors, growth.item_move, items, means[1][:-1]),
        seen=table.by_user,
        seen_time=table.time_by_user,
        posterior=None if posterior is None else _extend_posterior(model, growth),
        times=None,
    )


def _extend_times(model: ModelArrays, growth: _Growth) -> TimeEffects | None:
    """Return the effects of time with new rows. The touched rows are folded in from their ratings less the effects."""
    times, table = model.times, growth.table
    if times is None or table.time is None:
        return None
    effects = times.moved_effects(growth.user_move, growth.item_move)
    extended = _extend(timed_model(model), growth)
    with_effects = replace(extended, times=replace(times, effects=effects))
    shift = pair_shift(with_effects, table.user, table.item, table.time).mean
    less_effects = replace(table, rating=(table.rating - shift).astype(np.float32), declared_scale=model.scale)
    folded = _fold(extended, less_effects, growth.users, growth.items, True)
    return replace(
        times,
        effects=effects,
        user_bias=folded.user_bias,
        item_bias=folded.item_bias,
        user_factors=folded.user_factors,
        item_factors=folded.item_factors,
        posterior=folded.require_posterior(),
    )


def _moved(values: NDArray[Any], move: Indices, rows: int, fill: Any) -> NDArray[Any]:
    """Return an array with `rows` rows, in which each old row is at its new index and new rows are `fill`."""
    moved = np.empty((rows, *values.shape[1:]), values.dtype)
    moved[:] = fill
    moved[move] = values
    return moved


def _extend_posterior(model: ModelArrays, growth: _Growth) -> Any:
    posterior, table = model.require_posterior(), growth.table

    def extended(values: NDArray[Any], move: Indices, rows: int) -> NDArray[Any]:
        return np.append(_moved(values[:-1], move, rows, values[-1]), values[-1])

    def prior(old: FactorPrior, move: Indices, rows: int, noise: float) -> FactorPrior:
        sets = _moved(old.sets, move, rows, 0) if len(old.sets) else old.sets
        return replace(old, sets=sets, noise=_moved(old.noise, move, rows, noise))

    users, items = (growth.user_move, len(table.users)), (growth.item_move, len(table.items))
    return replace(
        posterior,
        user_noise=extended(posterior.user_noise, *users),
        user_spread=extended(posterior.user_spread, *users),
        item_noise=extended(posterior.item_noise, *items),
        item_spread=extended(posterior.item_spread, *items),
        users=prior(
            posterior.users, *items, posterior.noise * float(posterior.item_noise[-1]) + posterior.item_spread[-1]
        ),
        items=prior(
            posterior.items, *users, posterior.noise * float(posterior.user_noise[-1]) + posterior.user_spread[-1]
        ),
    )


def _fold(model: ModelArrays, table: Ratings, users: Indices, items: Indices, has_spread: bool) -> ModelArrays:
    """Fold in the touched rows anew, items and users by turns; the last turn is that of the users."""
    for number in range(_ROUNDS):
        is_last = has_spread and number == _ROUNDS - 1
        model = _fold_side(model, "item", table.by_item, items, item_equations, table.user_counts, is_last)
        model = _fold_side(model, "user", table.by_user, users, user_equations, table.item_counts, is_last)
    return model


def _fold_side(
    model: ModelArrays,
    side: str,
    table: Grouped,
    rows: Indices,
    equations: _Equations,
    partner_counts: NDArray[np.int64],
    has_spread: bool,
) -> ModelArrays:
    """Solve for the given rows of one side, "user" or "item"."""
    other = "item" if side == "user" else "user"
    bias, factors = getattr(model, f"{side}_bias").copy(), getattr(model, f"{side}_factors").copy()
    design = design_matrix(getattr(model, f"{other}_factors"))
    # The mean over pairs with partners as often as they are rated: the spread of a typical prediction.
    typical = (design.T * (partner_counts / max(1, partner_counts.sum()))) @ design
    spread = None if model.posterior is None else getattr(model.posterior, f"{side}_spread").copy()
    for row in rows.tolist():
        others, values = table[row]
        if not len(others):
            continue
        bias[row], factors[row], covariance = solve_row(*equations(model, others, values))
        if has_spread and spread is not None:
            spread[row] = min(spread[row], float((covariance * typical).sum()))
    posterior = model.posterior
    if has_spread and posterior is not None:
        changes: dict[str, Any] = {f"{side}_spread": spread}
        posterior = replace(posterior, **changes)
    changes = {f"{side}_bias": bias, f"{side}_factors": factors}
    return replace(model, posterior=posterior, **changes)


def _extend_head(head: ChoiceHead, grown: ModelArrays, growth: _Growth) -> ChoiceHead:
    """Return the choice head with the new users, items and choices."""
    table = growth.table
    choices = table if head.liked is None else table.take(table.rating >= np.float32(head.liked))
    if isinstance(head, PopularityHead):
        share = (choices.item_counts / max(1, len(table.users))).astype(np.float32)
        return replace(head, share=share)
    if isinstance(head, WeightsHead):
        is_new = np.ones(len(table.items), bool)
        is_new[growth.item_move] = False
        return add_items(head, choices, growth.item_move, is_new, weight_settings(grown.solver, grown.training))
    if not isinstance(head, FactorsHead):
        raise DataError(f"the choice head {head.kind!r} takes no new ratings: fit the model on all of them")
    users, items = len(table.users), len(table.items)
    as_model = replace(
        grown,
        user_factors=_moved(head.user_factors, growth.user_move, users, 0),
        item_factors=_moved(head.item_factors, growth.item_move, items, 0),
        user_bias=np.zeros(users, np.float32),
        item_bias=np.zeros(items, np.float32),
        penalty=head.penalty,
        posterior=None,
        predicts="choice",
        choice=None,
    )
    folded = _fold(as_model, choices, growth.users, growth.items, False)
    return replace(head, user_factors=folded.user_factors, item_factors=folded.item_factors)


def _record(model: ModelArrays, base: Ratings, new: Ratings, growth: _Growth) -> list[dict[str, int]]:
    counts = {
        "ratings": len(new),
        "replaced": len(base) + len(new) - len(growth.table),
        "new_users": len(growth.table.users) - len(base.users),
        "new_items": len(growth.table.items) - len(base.items),
        "users": len(growth.users),
        "items": len(growth.items),
    }
    return [*model.training.get("updates", []), counts]
