r"""A model with more ratings, without fitting again: rows that are touched are solved for anew, all others stay.

A new row is folded in: it is the mode given its ratings and the prior. Of a model with a posterior a known row x is a
mean over draws, which says more than its mode would. So it takes one Newton step from there, with the gradient of what
is new:

.. math:: x + \Big(\Lambda + \sum_j w_j z_j z_j^T\Big)^{-1} \sum_{j\ new} w_j e_j z_j,

where z are the partners' factors, w the precisions of the ratings, and e is the error of a new rating, or the change of
one that was given again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.ids import integer_of
from palate.model.arrays import Floats, ModelArrays
from palate.model.attribute_weights import AttributeWeights
from palate.model.choice import ChoiceHead, FactorsHead, PopularityHead, WeightsHead
from palate.model.fold_in import item_equations, user_equations
from palate.model.moment import pair_shift, timed_model
from palate.model.row_solve import FactorPrior, RowPrior, design_matrix, solve_row
from palate.model.time_effects import TimeEffects
from palate.model.update_weights import add_items, weight_settings
from palate.ratings import Grouped, Ratings
from palate.reading import ratings_of
from palate.reading.join import join_ratings
from palate.reading.mixed_ids import with_warnings

__all__ = ["check_ratings", "head_model", "with_ratings"]

Indices = NDArray[np.int32]
Doubles = NDArray[np.float64]
Arrays = TypeVar("Arrays", bound=ModelArrays)

# Users and items are folded in by turns, since new users may have rated new items.
_ROUNDS = 2


class _Growth(NamedTuple):
    """The joined table, the new index of each old user and item, and the rows to solve for anew.

    Attributes
    ----------
    table
        All ratings.
    user_move, item_move
        The index in `table` of each user and item of the model.
    users, items
        Those with new ratings.
    added
        The new ratings: their places in the ratings of `table`.
    before
        float32 (added,): what the same pairs were rated before, NaN for pairs that were not rated.
    """

    table: Ratings
    user_move: Indices
    item_move: Indices
    users: Indices
    items: Indices
    added: NDArray[np.int64]
    before: Floats

    def among(self, is_kept: NDArray[np.bool_]) -> _Growth:
        """Return the growth of a table of some of the ratings: (ratings,) says which."""
        places = np.cumsum(is_kept) - 1
        there = is_kept[self.added]
        added, before = places[self.added[there]], self.before[there]
        return self._replace(table=self.table.take(is_kept), added=added, before=before)

    def rated_before(self, side: str) -> NDArray[np.bool_]:
        """Return which rows of a side, "user" or "item", had ratings before."""
        counts = getattr(self.table, f"{side}_counts").copy()
        fresh = self.added[np.isnan(self.before)]
        counts -= np.bincount(getattr(self.table, side)[fresh], minlength=len(counts))
        return np.asarray(counts > 0)


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
    training = with_warnings(model.training, growth.table.notes)
    record = {**training, "updates": _record(model, base, new, growth)}
    if not len(new):
        return replace(grown, times=model.times, training=record)
    if model.factors or model.predicts == "rating":
        grown = _fold(grown, growth.table, growth)
    choice = None if model.choice is None else _extend_head(model.choice, grown, growth)
    grown = replace(grown, times=_extend_times(model, growth))
    return replace(grown, choice=choice, training=record)


def check_ratings(model: ModelArrays, new: Ratings) -> None:
    """Refuse ratings that the model's solver could not have been fitted on.

    Raises
    ------
    DataError
        If an id is text where those of the model are integers, if a rating is off the model's scale, or is not above
        zero where it is a confidence, or if there are choices alone and the model knows ratings.
    """
    for known, fresh in ((model.users, new.users), (model.items, new.items)):
        if len(known) and not known.is_text and fresh.is_text:
            odd = [id for id in fresh.ids if integer_of(id) is None]
            if odd:
                raise DataError(
                    f"{known.kind} id {odd[0]!r} is text, and {known.describe()} (text ids: {len(odd):,} of "
                    f"{len(fresh):,} new ones): mend them or leave them out, or fit on all ratings to make all ids text"
                )
    if new.is_choices and model.predicts == "rating" and model.scale.low < model.scale.high:
        raise DataError(
            "the new table has choices and no ratings, and this model predicts ratings: name the column of ratings "
            "(columns=..., --columns)"
        )
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
    table = join_ratings(
        [base, replace(new, declared_scale=base.scale)], duplicates="last", names=("the model", "the new ratings")
    )
    user_move, item_move = (
        getattr(table, side).index(_as_ids(getattr(base, side).ids, getattr(table, side).is_text))
        for side in ("users", "items")
    )
    user, item = (
        getattr(table, side).index(_as_ids(getattr(new, side).ids, getattr(table, side).is_text))
        for side in ("users", "items")
    )
    added = np.flatnonzero(~np.isnan(_ratings_in(new, user, item, table)))
    before = _ratings_in(base, user_move, item_move, table.take(added))
    return _Growth(table, user_move, item_move, np.unique(user), np.unique(item), added, before)


def _ratings_in(part: Ratings, user_move: Indices, item_move: Indices, table: Ratings) -> Floats:
    """Return what a part of a table, whose ids were moved, rates each pair of the table: NaN for no rating."""
    sides = []
    for move, index, size in ((user_move, table.user, len(table.users)), (item_move, table.item, len(table.items))):
        back = np.full(size, -1, np.int32)
        back[move] = np.arange(len(move), dtype=np.int32)
        sides.append(back[index])
    return part.of_pairs(sides[0], sides[1])


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
    # What a pair was rated before is compared at the new moment.
    compared = growth._replace(before=(growth.before - shift[growth.added]).astype(np.float32))
    folded = _fold(extended, less_effects, compared)
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


def _fold(model: ModelArrays, table: Ratings, growth: _Growth) -> ModelArrays:
    """Solve for the touched rows: new ones by turns, then known ones, then new ones again, the users last."""
    is_known = {side: growth.rated_before(side) for side in ("user", "item")}
    if model.posterior is None:
        is_known = {side: np.zeros_like(known) for side, known in is_known.items()}
    rows = {"user": growth.users, "item": growth.items}
    new = {side: rows[side][~is_known[side][rows[side]]] for side in rows}
    for number in range(_ROUNDS):
        model = _fold_side(model, "item", table, new["item"], False)
        model = _fold_side(model, "user", table, new["user"], number == _ROUNDS - 1 and model.posterior is None)
    if model.posterior is None:
        return model
    for side in ("item", "user"):
        model = _step_side(model, side, table, growth, is_known[side])
    for side in ("item", "user"):
        model = _fold_side(model, side, table, new[side], True)
    return model


def _fold_side(model: ModelArrays, side: str, table: Ratings, rows: Indices, has_spread: bool) -> ModelArrays:
    """Fold in the given rows of one side, "user" or "item"."""
    equations: _Equations = item_equations if side == "item" else user_equations
    grouped: Grouped = getattr(table, f"by_{side}")
    change = _SideChange.of(model, side, table)
    known: AttributeWeights | None = getattr(model, f"{side}_features")
    ids = getattr(model, f"{side}s")
    for row in rows.tolist():
        others, values = grouped[row]
        if not len(others):
            continue
        factors, residuals, prior = equations(model, others, values)
        if known is not None:
            prior = prior.shifted(known.shift(ids[row]))
        change.bias[row], change.factors[row], covariance = solve_row(factors, residuals, prior)
        if has_spread:
            change.bound_spread(row, covariance)
    return change.made()


def _step_side(
    model: ModelArrays, side: str, table: Ratings, growth: _Growth, is_known: NDArray[np.bool_]
) -> ModelArrays:
    """Take the Newton step of the known rows of one side, "user" or "item"."""
    other = "item" if side == "user" else "user"
    grouped: Grouped = getattr(table, f"by_{side}")
    change, design = _SideChange.of(model, side, table), design_matrix(getattr(model, f"{other}_factors"))
    user, item = table.user[growth.added], table.item[growth.added]
    products = np.einsum("nk,nk->n", model.user_factors[user], model.item_factors[item], dtype=np.float64)
    predicted = model.intercept + model.user_bias[user] + model.item_bias[item] + products
    errors = table.rating[growth.added] - np.where(np.isnan(growth.before), predicted, growth.before)
    row_of, partner_of = (user, item) if side == "user" else (item, user)
    order = np.argsort(row_of, kind="stable")
    order = order[is_known[row_of[order]]]
    rows, starts = np.unique(row_of[order], return_index=True)
    prior: FactorPrior = getattr(model.require_posterior(), f"{side}s")
    weights = 1 / prior.noise
    for row, start, stop in zip(rows.tolist(), starts, np.append(starts, len(order))[1:], strict=True):
        others, _ = grouped[row]
        known = design[others]
        covariance = np.linalg.inv((known.T * weights[others]) @ known + prior.precision)
        places = order[start:stop]
        partners = partner_of[places]
        step = covariance @ (design[partners].T @ (weights[partners] * errors[places]))
        change.factors[row] += step[:-1].astype(np.float32)
        change.bias[row] += np.float32(step[-1])
        change.bound_spread(row, covariance)
    return change.made()


class _SideChange(NamedTuple):
    """Copies of the rows of one side, to be changed.

    Attributes
    ----------
    model, side
        Whose they are.
    bias, factors, spread
        The copies; the spread is None without a posterior.
    typical
        float64 (k + 1, k + 1): the mean of z z' over partners as often as they are rated.
    """

    model: ModelArrays
    side: str
    bias: Floats
    factors: Floats
    spread: Doubles | None
    typical: Doubles

    @classmethod
    def of(cls, model: ModelArrays, side: str, table: Ratings) -> Self:
        other = "item" if side == "user" else "user"
        design, counts = design_matrix(getattr(model, f"{other}_factors")), getattr(table, f"{other}_counts")
        bias, factors = getattr(model, f"{side}_bias").copy(), getattr(model, f"{side}_factors").copy()
        spread = None if model.posterior is None else getattr(model.posterior, f"{side}_spread").copy()
        return cls(model, side, bias, factors, spread, (design.T * (counts / max(1, counts.sum()))) @ design)

    def bound_spread(self, row: int, covariance: Doubles) -> None:
        """Let the spread of a row be no more than that of a typical prediction for it."""
        if self.spread is not None:
            self.spread[row] = min(self.spread[row], float((covariance * self.typical).sum()))

    def made(self) -> ModelArrays:
        """Return the model with the changed rows."""
        changes: dict[str, Any] = {f"{self.side}_bias": self.bias, f"{self.side}_factors": self.factors}
        if self.model.posterior is not None:
            spread: dict[str, Any] = {f"{self.side}_spread": self.spread}
            changes["posterior"] = replace(self.model.posterior, **spread)
        return replace(self.model, **changes)


def _extend_head(head: ChoiceHead, grown: ModelArrays, growth: _Growth) -> ChoiceHead:
    """Return the choice head with the new users, items and choices."""
    table = growth.table
    chosen = growth if head.liked is None else growth.among(table.rating >= np.float32(head.liked))
    choices = chosen.table
    if isinstance(head, PopularityHead):
        return PopularityHead.of(choices.item_counts, len(table.users), head.liked)
    if isinstance(head, WeightsHead):
        is_new = np.ones(len(table.items), bool)
        is_new[growth.item_move] = False
        return add_items(head, choices, growth.item_move, is_new, weight_settings(grown.solver, grown.training))
    if not isinstance(head, FactorsHead):
        raise DataError(f"the choice head {head.kind!r} takes no new ratings: fit the model on all of them")
    users, items = len(table.users), len(table.items)
    moved = replace(
        head,
        user_factors=_moved(head.user_factors, growth.user_move, users, 0),
        item_factors=_moved(head.item_factors, growth.item_move, items, 0),
    )
    folded = _fold(head_model(grown, moved), choices, chosen)
    return replace(head, user_factors=folded.user_factors, item_factors=folded.item_factors)


def head_model(model: Arrays, head: FactorsHead) -> Arrays:
    """Return the choice head of a model as a model of choices with the same ids and ratings."""
    return replace(
        model,
        user_factors=head.user_factors,
        item_factors=head.item_factors,
        user_bias=np.zeros(len(head.user_factors), np.float32),
        item_bias=np.zeros(len(head.item_factors), np.float32),
        penalty=head.penalty,
        user_features=None,  # their weights belong to the other factors
        item_features=None,
        posterior=None,
        predicts="choice",
        choice=None,
    )


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
