"""A Gibbs chain that goes on from a model: what its pilots chose, and a first state near where the chain ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, sqrt
from typing import Any

import numpy as np

from palate.model import FactorPrior, Model
from palate.parallel import Run
from palate.ratings import Ratings
from palate.solvers.bayes.accumulator import PastMean
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.combinations import Combination, Member, PartSelection
from palate.solvers.bayes.row_blocks import for_row_blocks
from palate.solvers.bayes.state import ModelParts, SideState
from palate.solvers.bayes.time_selection import TimeSelection
from palate.solvers.warm_start import FreshFit, model_rows

__all__ = [
    "PAST_SHARE",
    "member_records",
    "past_mean",
    "restored_selection",
    "restored_times",
    "start_from_model",
    "updated_model",
    "warm_sweeps",
]

#: The share of the model that a fit goes on from, with the new ratings in its rows, in the new average.
PAST_SHARE = 0.35
# A fit that goes on takes this share of the work of a fit from the start: of its sweeps and of those of its pilots.
_SHARE = 0.22
# A sweep of a pilot takes this part of the time of a sweep of the fit: pilots have fewer factors and ratings. They run
# on this many ratings at most.
_PILOT_COST, _PILOT_RATINGS = 0.9, 250_000
# With fewer sweeps the chain has hardly left its first state.
_LEAST_SWEEPS = 50


def member_records(members: Sequence[Member], chains: Sequence[Chain]) -> list[dict[str, Any]]:
    """Return what a model records of the chains that it is an average of: plain values."""
    return [
        {
            "parts": member.combination.describe(),
            "share": member.share,
            "on": [name for name, is_on in member.combination.parts._asdict().items() if is_on],
            "factors": member.combination.has_factors,
            "least_noise": member.least_noise,
            "sets_precisions": [chain.users.sets_precision, chain.items.sets_precision],
        }
        for member, chain in zip(members, chains, strict=True)
    ]


def restored_selection(model: Model, off: Sequence[str]) -> PartSelection | None:
    """Return the combinations of a model; None if it does not say them, as models of older versions.

    Parameters
    ----------
    model
        The model.
    off
        Parts for which there is no table of attributes now.
    """
    records = model.training.get("combinations", [])
    if model.posterior is None or not records or "on" not in records[0]:
        return None
    members = []
    for record in records:
        parts = ModelParts(**{name: name in record["on"] and name not in off for name in ModelParts._fields})
        combination = Combination(parts, bool(record["factors"]))
        members.append(Member(combination, float(record["share"]), float(record["least_noise"])))
    users, items = model.training["unknown_variance"]
    record = "parts: those of the model that the fit went on from"
    return PartSelection(tuple(members), (record,), model.posterior.calibration, 0, (float(users), float(items)))


def restored_times(model: Model, has_times: bool) -> TimeSelection:
    """Return whether a model has effects of time, where the ratings have times."""
    if model.times is None or not has_times:
        return TimeSelection()
    return TimeSelection(True, calibration=model.times.posterior.calibration)


def warm_sweeps(fresh: FreshFit, chains: int, ratings: int) -> int:
    """Return the number of sweeps of a fit that goes on.

    Examples
    --------
    >>> warm_sweeps(FreshFit(900_000, passes=350, pilot_sweeps=550), 1, 945_000)
    106
    """
    pilots = fresh.pilot_sweeps * _PILOT_COST * min(1.0, _PILOT_RATINGS / ratings)
    sweeps = ceil(_SHARE * (fresh.passes + pilots / chains))
    return min(fresh.passes, max(_LEAST_SWEEPS, sweeps))


def updated_model(model: Model, ratings: Ratings) -> Model:
    """Return the model with those of the ratings that it lacks, without choices and effects of time.

    Parameters
    ----------
    model
        With its ratings.
    ratings
        In their own units.
    """
    base = model.ratings()
    assert base is not None
    user, item = base.users.index(ratings.users.ids)[ratings.user], base.items.index(ratings.items.ids)[ratings.item]
    is_kept = base.of_pairs(user, item) == ratings.rating
    plain = replace(model, choice=None, interest=None, times=None)
    return plain if is_kept.all() else plain.with_ratings(ratings.take(~is_kept))


def past_mean(model: Model, ratings: Ratings, spread: float) -> PastMean:
    """Return what a model knows of the rows of a table, in standardized units.

    `model` knows all users and items of the table: see `updated_model`.
    """
    posterior, root = model.require_posterior(), np.float32(sqrt(spread))
    rows, noises = [], []
    for names, prior, noise in (
        ("users", posterior.users, posterior.user_noise),
        ("items", posterior.items, posterior.item_noise),
    ):
        _, factors, bias = model_rows(model, names, getattr(ratings, names))
        known = np.column_stack([factors / root, bias / np.float32(spread)])
        unknown = np.append(prior.mean[:-1] / root, prior.mean[-1] / spread)
        rows.append(np.vstack([known, unknown]).astype(np.float32))
        places = getattr(model, names).index(getattr(ratings, names).ids)
        noises.append(noise[np.append(places, -1)].astype(np.float64))
    shares, precisions = np.zeros(2), np.zeros(2)
    for record in model.training["combinations"]:
        has_sets = np.array([f"{side}_sets" in record["on"] for side in ("user", "item")])
        shares += record["share"] * has_sets
        precisions += record["share"] * has_sets * np.array(record["sets_precisions"])
    scales = (posterior.noise / spread**2, *precisions.tolist(), *shares.tolist())
    return PastMean((rows[0], rows[1]), (noises[0], noises[1]), scales)


def start_from_model(chain: Chain, model: Model, ratings: Ratings, spread: float, member: int = 0) -> None:
    """Replace the first state of a chain by the mean state that a model keeps, in place.

    Factors beyond those of the model, and those of new rows, stay as they are: small and random.

    Parameters
    ----------
    chain
        A chain that has not been swept.
    model
        The model; of the columns of its factors those of the largest products are taken.
    ratings
        The table of the chain.
    spread
        The standard deviation of the ratings before they were standardized.
    member
        The number of the chain among those of the fit.
    """
    posterior = model.require_posterior()
    records = model.training.get("combinations", [])
    penalties = records[member]["sets_precisions"] if member < len(records) else (10.0, 10.0)
    for side, other, names, prior, noise, has_sets, penalty in (
        (chain.users, "items", "users", posterior.users, posterior.user_noise, chain.parts.user_sets, penalties[0]),
        (chain.items, "users", "items", posterior.items, posterior.item_noise, chain.parts.item_sets, penalties[1]),
    ):
        known, factors, bias = model_rows(model, names, getattr(ratings, names))
        _start_rows(side, known, factors, bias, prior, spread)
        places = getattr(model, names).index(getattr(ratings, names).ids)
        side.noise[:-1][known] = 1 / noise[places[known]]
        side.noise[-1] = 1 / noise[-1]
        if has_sets and len(prior.sets):
            places = getattr(model, other).index(getattr(ratings, other).ids)
            _start_sets(side, np.append(places, -1), prior, spread, chain.run)
            side.sets_precision = float(penalty)
    chain.precision = spread**2 / posterior.noise


def _start_rows(side: SideState, known: Any, factors: Any, bias: Any, prior: FactorPrior, spread: float) -> None:
    k, root = min(side.k, factors.shape[1]), np.float32(sqrt(spread))
    side.mean[:k], side.mean[-1] = prior.mean[:k] / root, prior.mean[-1] / spread
    side.factors[:, side.k] = side.mean[-1]
    side.factors[-1, : side.columns] = side.mean
    side.factors[known, :k] = factors[:, :k] / root
    side.factors[known, side.k] = bias / np.float32(spread)


def _start_sets(side: SideState, places: Any, prior: FactorPrior, spread: float, run: Run) -> None:
    """Set the weights of rated sets, and what they add to the means of rows."""
    k, known = min(side.k, prior.sets.shape[1] - 1), places >= 0
    side.weights[known, :k] = prior.sets[places[known], :k] / np.float32(sqrt(spread))
    side.weights[known, side.k] = prior.sets[places[known], -1] / np.float32(spread)
    indptr, indices = side.table.indptr, side.table.indices

    def add_up(block: slice) -> None:
        starts = indptr[block.start : block.stop + 1]
        rows = side.weights[indices[starts[0] : starts[-1]]]
        sums = np.add.reduceat(np.vstack([rows, np.zeros_like(side.weights[:1])]), starts[:-1] - starts[0])
        sums[np.diff(starts) == 0] = 0
        side.prior[block] = sums * side.shares[block, None]

    for_row_blocks(add_up, len(side.factors), run)
