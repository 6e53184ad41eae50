"""What requests bring and answers hold, for validation and for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

__all__ = [
    "Answer",
    "Answers",
    "Asked",
    "BatchWanted",
    "Because",
    "Explained",
    "Facts",
    "Folded",
    "FoldedWanted",
    "Given",
    "Item",
    "ItemPage",
    "Likeness",
    "Likes",
    "Map",
    "Me",
    "Predicted",
    "Predictions",
    "PredictionsWanted",
    "Problem",
    "Quality",
    "Question",
    "Rated",
    "RatedMany",
    "Recommendation",
    "Recommendations",
    "UserRatings",
]

Text = Annotated[StrictStr, Field(min_length=1, max_length=512)]
Id = StrictInt | Text
Rating = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Ratings = Annotated[dict[Text, Rating], Field(max_length=10_000)]
By = Literal["prediction", "lower bound", "chance"]
Count = Annotated[int, Field(ge=1, le=1000)]
Level = Annotated[float, Field(gt=0, lt=1)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [values]})


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"type": "about:blank", "title": "Unknown id", "status": 404, "detail": "item '9' is unknown: …"}
            ]
        }
    )
    type: str
    title: str
    status: int
    detail: str


class Given(_Shape):
    """A rating."""

    model_config = _example(rating=3.5)
    rating: Rating


class RatedMany(_Shape):
    """Item id → rating, null to withdraw it."""

    model_config = _example(ratings={"5": 3.5, "8": None})
    ratings: Annotated[dict[Text, Rating | None], Field(max_length=10_000)]


class Rated(_Shape):
    """One rating of a user."""

    item: int | str
    title: str
    rating: float


class UserRatings(_Shape):
    """All ratings of a user."""

    user: int | str | None
    ratings: list[Rated]


class Me(_Shape):
    """What is kept of an anonymous visitor."""

    model_config = _example(known=True, ratings=5)
    known: bool
    ratings: int


class Item(_Shape):
    """An item. Without a score it is in the catalogue, but was never rated."""

    model_config = _example(item=5, title="Why did…", text="Why did… To…", ratings=4991, mean=0.2, has_score=True)
    item: int | str
    title: str
    text: str
    ratings: int
    mean: float | None
    has_score: bool


class ItemPage(_Shape):
    """Some of the items that a search found."""

    total: int
    offset: int
    items: list[Item]


class Likeness(_Shape):
    """An item or a user, and how alike it is."""

    id: int | str
    title: str
    similarity: float


class Likes(_Shape):
    """What is most alike."""

    id: int | str
    by: Literal["cosine", "dot"]
    similar: list[Likeness]


class Because(_Shape):
    """A rated item that speaks for a recommendation, and by how many points."""

    item: int | str
    title: str
    rating: float
    contribution: float


class Recommendation(_Shape):
    """An item with its predicted rating, and what else was asked for."""

    item: int | str
    title: str
    prediction: float
    score: float | None = None
    low: float | None = None
    high: float | None = None
    text: str | None = None
    because: list[Because] | None = None


class Recommendations(_Shape):
    """Recommendations for one user, best first."""

    model_config = _example(user=12, recommendations=[{"item": 89, "title": "A radio…", "prediction": 5.81}])
    user: int | str | None
    level: float | None = None
    recommendations: list[Recommendation]


class Question(_Shape):
    """An item, and which share of what is not known of the user its rating would tell."""

    item: int | str
    title: str
    text: str
    tells: float


class Asked(_Shape):
    """What to ask next, the most telling first."""

    user: int | str | None
    questions: list[Question]


class Predicted(_Shape):
    """A predicted rating."""

    model_config = _example(user=12, item=5, prediction=3.21, low=-1.2, high=7.4, level=0.9)
    user: int | str | None
    item: int | str
    prediction: float
    low: float | None = None
    high: float | None = None
    level: float | None = None


class Predictions(_Shape):
    """Predicted ratings in the order of the request."""

    predictions: list[Predicted]


class Explained(_Shape):
    """How a prediction comes about: intercept + contributions + remainder, before clipping to the scale."""

    user: int | str | None
    item: int | str
    title: str
    prediction: float
    intercept: float
    remainder: float
    contributions: list[Because]


class Pair(_Shape):
    """A user and an item."""

    user: Id
    item: Id


class PredictionsWanted(_Shape):
    """Pairs to predict."""

    model_config = _example(pairs=[{"user": 1, "item": 5}, {"user": 2, "item": 8}], level=0.9)
    pairs: Annotated[list[Pair], Field(max_length=10_000)]
    level: Level | None = None


class Wanted(_Shape):
    """How to recommend."""

    n: Count = 10
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0
    lowest: bool = False
    seen: bool = False
    only: Annotated[list[Id], Field(max_length=10_000)] | None = None
    exclude: Annotated[list[Id], Field(max_length=10_000)] = []
    least: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    by: By = "prediction"
    level: Level | None = None
    seed: Annotated[int, Field(ge=0, le=1 << 62)] | None = None
    texts: bool = False
    reasons: Annotated[int, Field(ge=0, le=20)] = 0


class BatchWanted(Wanted):
    """Users to recommend to."""

    model_config = _example(users=[1, 2], n=5)
    users: Annotated[list[Id], Field(max_length=1000)]


class FoldedWanted(Wanted):
    """Ratings of somebody whom nobody keeps anything of, and how to recommend."""

    model_config = _example(ratings={"5": 3.5, "8": -2.0}, n=5, level=0.9)
    ratings: Ratings


class Folded(_Shape):
    """Ratings of somebody whom nobody keeps anything of."""

    model_config = _example(ratings={"5": 3.5, "8": -2.0})
    ratings: Ratings
    n: Count = 10


class Answer(_Shape):
    """Recommendations, or why there are none."""

    user: int | str
    recommendations: list[Recommendation]


class Answers(_Shape):
    """Recommendations for several users, in the order of the request."""

    answers: list[Answer]


class Facts(BaseModel):
    """What a model is made of."""

    model: str
    users: int
    items: int
    ratings: int | None
    factors: int
    catalogue: int
    scale: list[float]
    mean: float
    certain: bool
    bytes: int
    numbers: dict[str, float]
    solver: dict[str, Any]
    loaded: float
    refused: str | None


class Quality(BaseModel):
    """How good a model is, as far as its record tells."""

    history: list[dict[str, Any]]
    training: dict[str, Any]
    calibration: dict[str, Any] | None
    spread: dict[str, Any]


class Place(_Shape):
    """An item on the map."""

    item: int | str
    title: str
    text: str
    x: float
    y: float
    ratings: int
    mean: float | None
    group: int


class Map(_Shape):
    """Items in two dimensions: those near each other are liked by the same people."""

    explained: list[float]
    groups: int
    items: list[Place]
