"""The model's answers as plain values for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from palate.model import Model, Profile, Scored
from palate.model.recommend import check_rank_by
from palate.service.loaded_model import LoadedModel
from palate.service.reasons import contribution, reasons
from palate.service.schemas import RecommendationOptions

__all__ = ["explain", "predict", "questions", "ratings", "recommend", "similar"]

Id = int | str
_DEFAULT_LEVEL = 0.8


def recommend(loaded: LoadedModel, user: Id | Profile, options: RecommendationOptions) -> list[dict[str, Any]]:
    """Return recommendations, with intervals, texts and reasons where the options ask for them."""
    model = loaded.model
    recommended = model.recommend(
        user,
        options.n + options.offset,
        lowest=options.lowest,
        seen=options.seen,
        only=None if options.only is None else [str(id) for id in options.only],
        exclude=[str(id) for id in options.exclude],
        least=options.least,
        by=options.by,
        level=options.level or _DEFAULT_LEVEL,
        seed=options.seed,
        explore=options.explore,
    )[options.offset :]
    by = check_rank_by(model, options.by, options.lowest, options.level or _DEFAULT_LEVEL, options.seed)
    rows: list[dict[str, Any]] = [{"item": one.id, "title": one.title, "prediction": one.score} for one in recommended]
    if not rows:
        return rows
    if by not in ("prediction", "choice") or model.predicts == "rating":
        _add_predictions(model, user, rows, by, options.level)
    if options.texts:
        for row in rows:
            row["text"] = loaded.entry(row["item"]).text
    if options.reasons:
        for row, parts in zip(rows, reasons(model, user, [row["item"] for row in rows], options.reasons), strict=True):
            row.update(parts)
    return rows


def _add_predictions(
    model: Model, user: Id | Profile, rows: list[dict[str, Any]], by: str, level: float | None
) -> None:
    """Add what the model knows of each row beside its score: the prediction, its interval, the chance of a choice."""
    ids = [row["item"] for row in rows]
    if by != "prediction":
        for row in rows:
            row["score"] = row["prediction"]
    if level is not None or by in ("lower bound", "chance"):
        intervals = model.predict(user, ids, interval=level or _DEFAULT_LEVEL)
        for row, rating, low, high in zip(rows, intervals.rating, intervals.low, intervals.high, strict=True):
            row["prediction"], row["low"], row["high"] = float(rating), float(low), float(high)
    elif by != "prediction":
        for row, rating in zip(rows, model.predict(user, ids).tolist(), strict=True):
            row["prediction"] = rating
    if model.interest is not None:
        chances = model.choice_chances(user)[model.items.index(ids)]
        for row, chance in zip(rows, chances.tolist(), strict=True):
            row["choice_chance"] = chance


def predict(model: Model, user: Id | Profile, item: str, level: float | None) -> dict[str, Any]:
    """Return one prediction, with its interval if a level is given."""
    id = model.items[model.items.require(item)]
    if level is None:
        return {"item": id, "prediction": model.predict(user, item)}
    rating, low, high = model.predict(user, item, interval=level)
    return {"item": id, "prediction": rating, "low": low, "high": high, "level": level}


def explain(model: Model, user: Id | Profile, item: str, n: int) -> dict[str, Any]:
    """Return the parts of a prediction, with the n largest contributions."""
    explanation = model.explain(user, item)
    smaller = sum(part.contribution for part in explanation.contributions[n:])
    return {
        "item": explanation.item,
        "title": explanation.title,
        "prediction": explanation.prediction,
        "intercept": explanation.intercept,
        "remainder": explanation.remainder + smaller,
        "contributions": [contribution(part) for part in explanation.contributions[:n]],
        "choices": [contribution(part) for part in explanation.choices[:n]],
    }


def questions(loaded: LoadedModel, user: Id | Profile, n: int, exclude: list[str]) -> list[dict[str, Any]]:
    """Return the items whose rating would tell most about the user."""
    return [
        {"item": one.id, "title": one.title, "text": loaded.entry(one.id).text, "tells": one.score}
        for one in loaded.model.ask(user, n, exclude=exclude)
    ]


def similar(neighbours: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return the most similar items or users as plain values."""
    return [{"id": one.id, "title": one.title, "similarity": one.score} for one in neighbours]


def ratings(loaded: LoadedModel, stored: Mapping[str, float | None]) -> list[dict[str, Any]]:
    """Return ratings in the order of the model's items, under the model's ids; unknown items come last."""
    model = loaded.model
    present = {item: rating for item, rating in stored.items() if rating is not None}
    indices = model.items.index(list(present)).tolist() if present else []
    last = len(model.items)
    ordered = sorted((index if index >= 0 else last, item) for item, index in zip(present, indices, strict=True))
    return [
        {"item": loaded.spell_item(item), "title": model.catalogue.title(item), "rating": present[item]}
        for _, item in ordered
    ]
