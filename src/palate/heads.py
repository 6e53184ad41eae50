"""The second head of a model of ratings: how likely a user chooses an item, by which lists are ranked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

from palate.errors import SettingsError
from palate.evaluation.lists import guess_liked
from palate.model import Model
from palate.model.choice import FactorsHead
from palate.model.update import head_model
from palate.parallel import pool
from palate.solvers import ImplicitALS
from palate.solvers.choice_search import HEADS, ChosenHead, choose_head, fit_head, popularity_lists

__all__ = ["Choices", "add_choices", "refit_choices"]

#: How lists are ranked: see `add_choices`.
Choices = Literal["auto", "none", "popularity", "ease", "implicit"]


def add_choices(
    model: Model,
    choices: Choices = "auto",
    liked: float | None = None,
    *,
    threads: int | None = None,
    seed: int = 0,
) -> Model:
    """Return a model of ratings with a choice head, by which its lists are ranked.

    Parameters
    ----------
    model
        A model that keeps its ratings. A model that predicts choices is returned as it is.
    choices
        "auto" chooses a head, or none, on lists of ratings that are held out of the table; for solvers without a
        posterior, which are chosen for speed, it takes popularity without a search. "popularity", "ease" and "implicit"
        name the head; its settings are chosen. "none" leaves the model as it is.
    liked
        The rating from which an item is liked; by default that of `palate.evaluation.lists.guess_liked`.
    threads
        How many. The number does not change the result.
    seed
        Of the ratings that are held out.

    Raises
    ------
    SettingsError
        If `choices` is none of these.
    """
    if choices not in get_args(Choices):
        raise SettingsError(f"choices are {', '.join(get_args(Choices))}, not {choices!r}")
    ratings = model.ratings()
    if choices == "none" or model.predicts == "choice" or ratings is None:
        return model
    if liked is None and ratings.rating.min() < ratings.rating.max():
        liked = guess_liked(ratings)
    if choices == "auto" and model.posterior is None:
        head, interest = popularity_lists(ratings, liked)
        record: dict[str, Any] = {"head": head.kind, "settings": {}, "power": interest.power, "liked": liked}
        return replace(model, choice=head, interest=interest, training={**model.training, "lists": record})
    chosen = choose_head(ratings, liked, heads=HEADS if choices == "auto" else (choices,), threads=threads, seed=seed)
    return replace(
        model,
        choice=chosen.head,
        interest=chosen.interest,
        training={**model.training, "lists": _list_record(chosen, liked)},
    )


def _list_record(chosen: ChosenHead, liked: float | None) -> dict[str, Any]:
    """Return what a model records of the choice of its head: plain values."""
    best: dict[str, float] = {}
    for candidate in chosen.tried:
        best[candidate.head] = max(best.get(candidate.head, 0.0), candidate.ndcg)
    return {
        "head": chosen.name or None,
        "settings": chosen.settings,
        "power": chosen.interest.power if chosen.interest else None,
        "trend": chosen.interest.trend if chosen.interest else None,
        "liked": liked,
        "users": chosen.users,
        "ndcg@10": {name: round(value, 4) for name, value in best.items()},
    }


def refit_choices(model: Model, fitted: Model, *, fresh: bool = False, threads: int | None = None) -> Model:
    """Return a model that was fitted anew with the kind of choice head that the old one had, fitted anew too.

    Its settings are kept. A head of factors goes on from the old one, unless `fresh`.
    """
    record, ratings = model.training.get("lists"), fitted.ratings()
    if model.choice is None or record is None or ratings is None:
        return fitted
    start = None if fresh or not isinstance(model.choice, FactorsHead) else _head_model(model, model.choice)
    with pool(threads) as run:
        head = fit_head(record["head"], record["settings"], ratings, run, start=start)
    training = {**fitted.training, "lists": record}
    return replace(fitted, choice=head, interest=model.interest, training=training)


def _head_model(model: Model, head: FactorsHead) -> Model:
    """Return the choice head of a model as a model of choices, from which implicit ALS can go on."""
    settings = model.training["lists"]["settings"]
    solver = ImplicitALS(factors=head.item_factors.shape[1], **settings)
    training = {**settings, "sweeps": solver.sweeps} | {
        name: model.training[name] for name in ("start",) if name in model.training
    }
    return replace(head_model(model, head), solver=solver.record(), training=training)
