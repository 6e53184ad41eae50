"""What the model says, as plain values for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from palate.model import Contribution, Model, Profile
from palate.service.loaded_model import LoadedModel
from palate.service.schemas import Wanted

__all__ = ["Likeness", "ask", "explain", "predict", "rated", "recommend", "similar"]

Id = int | str
Likeness = Literal["cosine", "dot"]
_USUAL_LEVEL = 0.8


def recommend(edition: LoadedModel, who: Id | Profile, wanted: Wanted) -> list[dict[str, Any]]:
    """Return recommendations with what was asked for beside the prediction."""
    model = edition.model
    found = model.recommend(
        who,
        wanted.n + wanted.offset,
        lowest=wanted.lowest,
        seen=wanted.seen,
        only=None if wanted.only is None else [str(id) for id in wanted.only],
        exclude=[str(id) for id in wanted.exclude],
        least=wanted.least,
        by=wanted.by,
        level=wanted.level or _USUAL_LEVEL,
        seed=wanted.seed,
    )[wanted.offset :]
    told: list[dict[str, Any]] = [{"item": one.id, "title": one.title, "prediction": one.score} for one in found]
    if not found:
        return told
    if wanted.by != "prediction" or wanted.level is not None:
        _tell_ends(model, who, told, wanted)
    if wanted.texts:
        for row in told:
            row["text"] = edition.entry(row["item"]).text
    if wanted.reasons:
        reasons = model.reasons(who, [row["item"] for row in told], wanted.reasons)
        for row, parts in zip(told, reasons, strict=True):
            row["because"] = [_part(part) for part in parts]
    return told


def _tell_ends(model: Model, who: Id | Profile, told: list[dict[str, Any]], wanted: Wanted) -> None:
    level = wanted.level or _USUAL_LEVEL
    ends = model.predict(who, [row["item"] for row in told], interval=level)
    for row, rating, low, high in zip(told, ends.rating, ends.low, ends.high, strict=True):
        if wanted.by != "prediction":
            row["score"], row["prediction"] = row["prediction"], float(rating)
        row["low"], row["high"] = float(low), float(high)


def _part(part: Contribution) -> dict[str, Any]:
    return {"item": part.item, "title": part.title, "rating": part.rating, "contribution": part.contribution}


def predict(model: Model, who: Id | Profile, item: str, level: float | None) -> dict[str, Any]:
    """Return one prediction, with its interval if a level is given."""
    told: dict[str, Any] = {"item": model.items[model.items.require(item)]}
    if level is None:
        return {**told, "prediction": model.predict(who, item)}
    rating, low, high = model.predict(who, item, interval=level)
    return {**told, "prediction": rating, "low": low, "high": high, "level": level}


def explain(model: Model, who: Id | Profile, item: str, n: int) -> dict[str, Any]:
    """Return how a prediction comes about, with the n largest contributions."""
    found = model.explain(who, item)
    own = {"item": found.item, "title": found.title, "prediction": found.prediction, "intercept": found.intercept}
    parts = [_part(part) for part in found.contributions[:n]]
    rest = sum(part.contribution for part in found.contributions[n:])
    return {**own, "remainder": found.remainder + rest, "contributions": parts}


def ask(edition: LoadedModel, who: Id | Profile, n: int, exclude: list[str]) -> list[dict[str, Any]]:
    """Return the items whose rating would tell most."""
    found = edition.model.ask(who, n, exclude=exclude)
    return [{"item": o.id, "title": o.title, "text": edition.entry(o.id).text, "tells": o.score} for o in found]


def similar(found: list[Any]) -> list[dict[str, Any]]:
    """Return what is alike, as plain values."""
    return [{"id": one.id, "title": one.title, "similarity": one.score} for one in found]


def rated(edition: LoadedModel, ratings: Mapping[str, float | None]) -> list[dict[str, Any]]:
    """Return ratings in the order of the model's items, spelled as it does; unknown ones come last."""
    model = edition.model
    given = {item: rating for item, rating in ratings.items() if rating is not None}
    index = model.items.index(list(given)).tolist() if given else []
    last = len(model.items)
    rows = sorted((at if at >= 0 else last, item) for item, at in zip(given, index, strict=True))
    return [
        {"item": edition.shown(item), "title": model.catalogue.title(item), "rating": given[item]} for _, item in rows
    ]
