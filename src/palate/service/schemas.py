"""What requests and responses contain, for validation and for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator

__all__ = [
    "AnonymousRecommendationsRequest",
    "AnonymousRequest",
    "BatchRequest",
    "BatchResponse",
    "ExplanationResponse",
    "ItemResponse",
    "ItemsResponse",
    "MapResponse",
    "ModelResponse",
    "PredictionResponse",
    "PredictionsRequest",
    "PredictionsResponse",
    "Problem",
    "QualityResponse",
    "QuestionsResponse",
    "RatingRequest",
    "RatingResponse",
    "RatingsRequest",
    "RatingsResponse",
    "RecommendationOptions",
    "RecommendationsResponse",
    "RetrainResponse",
    "SimilarResponse",
    "StateResponse",
    "VisitorResponse",
]

Text = Annotated[StrictStr, Field(min_length=1, max_length=512)]
Id = StrictInt | Text
Rating = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1000)]
Level = Annotated[float, Field(gt=0, lt=1)]


#: The largest number of rows and reasons that one request may ask for.
LARGEST_ANSWER = 100_000


class _Schema(BaseModel):
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


# Ratings


class RatingRequest(_Schema):
    """A rating."""

    model_config = _example(rating=3.5)
    rating: Rating


class RatingsRequest(_Schema):
    """Item id → rating; null withdraws a rating."""

    model_config = _example(ratings={"5": 3.5, "8": None})
    ratings: Annotated[dict[Text, Rating | None], Field(max_length=10_000)]


class RatingResponse(_Schema):
    """One rating of a user."""

    item: int | str
    title: str
    rating: float


class RatingsResponse(_Schema):
    """All ratings of a user."""

    user: int | str | None
    ratings: list[RatingResponse]


class VisitorResponse(_Schema):
    """Whether an anonymous visitor has a cookie, and how many ratings are stored."""

    model_config = _example(known=True, ratings=5)
    known: bool
    ratings: int


# Items


class ItemResponse(_Schema):
    """An item. Without a score it is in the catalogue but was never rated."""

    model_config = _example(item=5, title="Why did…", text="Why did… To…", ratings=4991, mean=0.2, has_score=True)
    item: int | str
    title: str
    text: str
    ratings: int
    mean: float | None
    has_score: bool


class ItemsResponse(_Schema):
    """One page of the items that match a search."""

    total: int
    offset: int
    items: list[ItemResponse]


class SimilarEntry(_Schema):
    """An item or a user, and its similarity."""

    id: int | str
    title: str
    similarity: float


class SimilarResponse(_Schema):
    """The most similar items or users."""

    id: int | str
    by: Literal["cosine", "dot"]
    similar: list[SimilarEntry]


class MapEntry(_Schema):
    """An item on the map."""

    item: int | str
    title: str
    text: str
    x: float
    y: float
    ratings: int
    mean: float | None
    group: int


class MapResponse(_Schema):
    """Items in two dimensions: items near each other are liked by the same people."""

    explained: list[float]
    groups: int
    items: list[MapEntry]


# Recommendations and questions


class RecommendationOptions(_Schema):
    """How to recommend."""

    n: Count = 10
    offset: Annotated[int, Field(ge=0, le=10_000)] = 0
    lowest: bool = False
    seen: bool = False
    only: Annotated[list[Id], Field(max_length=10_000)] | None = None
    exclude: Annotated[list[Id], Field(max_length=10_000)] = []
    least: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    by: Literal["interest", "choice", "prediction", "lower bound", "chance"] | None = None
    level: Level | None = None
    seed: Annotated[int, Field(ge=0, le=1 << 62)] | None = None
    texts: bool = False
    reasons: Annotated[int, Field(ge=0, le=20)] = 0


class BatchRequest(RecommendationOptions):
    """The users to recommend to, and how."""

    model_config = _example(users=[1, 2], n=5)
    users: Annotated[list[Id], Field(max_length=1000)]

    @model_validator(mode="after")
    def _check_amount(self) -> Self:
        amount = len(self.users) * (self.n + self.offset) * (1 + self.reasons)
        if amount > LARGEST_ANSWER:
            raise ValueError(
                f"users × (n + offset) × (1 + reasons) may be {LARGEST_ANSWER:,}, not {amount:,}: send several requests"
            )
        return self


AnonymousRatings = Annotated[dict[Text, Rating], Field(max_length=10_000)]


class AnonymousRecommendationsRequest(RecommendationOptions):
    """The ratings of an anonymous user, which are not stored, and how to recommend."""

    model_config = _example(ratings={"5": 3.5, "8": -2.0}, n=5, level=0.9)
    ratings: AnonymousRatings


class AnonymousRequest(_Schema):
    """The ratings of an anonymous user, which are not stored."""

    model_config = _example(ratings={"5": 3.5, "8": -2.0})
    ratings: AnonymousRatings
    n: Count = 10


class ContributionEntry(_Schema):
    """A rated item, and how many points it adds to a prediction."""

    item: int | str
    title: str
    rating: float
    contribution: float


class RecommendationEntry(_Schema):
    """An item with its predicted rating, and with what else the request asked for."""

    item: int | str
    title: str
    prediction: float
    score: float | None = None
    choice_chance: float | None = None
    low: float | None = None
    high: float | None = None
    text: str | None = None
    because: list[ContributionEntry] | None = None
    choices: list[ContributionEntry] | None = None


class RecommendationsResponse(_Schema):
    """Recommendations for one user, the best first."""

    model_config = _example(user=12, recommendations=[{"item": 89, "title": "A radio…", "prediction": 5.81}])
    user: int | str | None
    level: float | None = None
    recommendations: list[RecommendationEntry]


class BatchEntry(_Schema):
    """Recommendations for one user of a batch."""

    user: int | str
    recommendations: list[RecommendationEntry]


class BatchResponse(_Schema):
    """Recommendations for several users, in the order of the request."""

    answers: list[BatchEntry]


class QuestionEntry(_Schema):
    """An item, and the share of the uncertainty about the user that its rating would remove."""

    item: int | str
    title: str
    text: str
    tells: float


class QuestionsResponse(_Schema):
    """The items to ask about next, the most informative first."""

    user: int | str | None
    questions: list[QuestionEntry]


# Predictions


class PairEntry(_Schema):
    """A user and an item."""

    user: Id
    item: Id


class PredictionsRequest(_Schema):
    """The pairs to predict."""

    model_config = _example(pairs=[{"user": 1, "item": 5}, {"user": 2, "item": 8}], level=0.9)
    pairs: Annotated[list[PairEntry], Field(max_length=10_000)]
    level: Level | None = None


class PredictionResponse(_Schema):
    """A predicted rating."""

    model_config = _example(user=12, item=5, prediction=3.21, low=-1.2, high=7.4, level=0.9)
    user: int | str | None
    item: int | str
    prediction: float
    low: float | None = None
    high: float | None = None
    level: float | None = None


class PredictionsResponse(_Schema):
    """Predicted ratings in the order of the request."""

    predictions: list[PredictionResponse]


class ExplanationResponse(_Schema):
    """The parts of a prediction: intercept + contributions + remainder, before clipping to the scale."""

    user: int | str | None
    item: int | str
    title: str
    prediction: float
    intercept: float
    remainder: float
    contributions: list[ContributionEntry]


# The model


class ModelResponse(BaseModel):
    """What the model is made of."""

    model: str
    users: int
    items: int
    ratings: int | None
    factors: int
    catalogue: int
    predicts: Literal["rating", "choice"]
    scale: list[float]
    mean: float
    certain: bool
    bytes: int
    numbers: dict[str, float]
    solver: dict[str, Any]
    loaded: float
    refused: str | None


class QualityResponse(BaseModel):
    """How good the model is, as far as its training record says."""

    history: list[dict[str, Any]]
    training: dict[str, Any]
    calibration: dict[str, Any] | None
    spread: dict[str, Any]


# Whoever runs the service


class RetrainResponse(_Schema):
    """A fit of the model on all ratings. Times are seconds since 1970."""

    model_config = _example(
        id=3,
        cause="requested",
        state="done",
        reason="",
        asked=1764360000.0,
        began=1764360001.5,
        ended=1764360042.0,
        change=512,
        ratings=100512,
    )
    id: int
    cause: Literal["requested", "ratings", "time", "command"]
    state: Literal["pending", "running", "done", "failed"]
    reason: str
    asked: float
    began: float | None
    ended: float | None
    change: int | None
    ratings: int | None


class StateResponse(_Schema):
    """The state of the model, the store and the fits; `paused` after a failure, until fits by themselves go on."""

    model_config = _example(
        model="1f2e3d4c5b6a7988", refused=None, stored=512, new=12, pending=None, running=None, last=None, paused=False
    )
    model: str
    refused: str | None
    stored: int
    new: int
    pending: RetrainResponse | None
    running: RetrainResponse | None
    last: RetrainResponse | None
    paused: bool
