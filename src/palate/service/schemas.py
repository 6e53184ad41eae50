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
    "UserOptions",
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


def _open_example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [values]})


_ITEM = {"item": 5, "title": "Why did…", "text": "Why did… To…", "ratings": 4991, "mean": 0.2, "has_score": True}
_PLACE = {"item": 5, "title": "Why did…", "text": "", "x": 0.1, "y": -0.3, "ratings": 4991, "mean": 0.2, "group": 0}
_REASON = {"item": 8, "title": "A man…", "rating": 4.5, "contribution": 0.31}


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

    model_config = _example(item=5, title="Why did…", rating=3.5)
    item: int | str
    title: str
    rating: float


class RatingsResponse(_Schema):
    """All ratings of a user."""

    model_config = _example(user=12, ratings=[{"item": 5, "title": "Why did…", "rating": 3.5}])
    user: int | str | None
    ratings: list[RatingResponse]


class VisitorResponse(_Schema):
    """Whether an anonymous visitor has a cookie, and how many ratings are stored."""

    model_config = _example(known=True, ratings=5)
    known: bool
    ratings: int


# Items


class _Marked(_Schema):
    """An answer that may say that the store was away (`degraded`) or that nothing is known of the user (`fallback`)."""

    degraded: bool | None = None
    fallback: Literal["prior"] | None = None
    unknown: list[int | str] | None = None


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

    model_config = _example(total=1, offset=0, items=[_ITEM])
    total: int
    offset: int
    items: list[ItemResponse]


class SimilarEntry(_Schema):
    """An item or a user, and its similarity."""

    model_config = _example(id=8, title="A man…", similarity=0.83)
    id: int | str
    title: str
    similarity: float


class SimilarResponse(_Marked):
    """The most similar items or users."""

    model_config = _example(id=5, by="cosine", similar=[{"id": 8, "title": "A man…", "similarity": 0.83}])
    id: int | str
    by: Literal["cosine", "dot"]
    similar: list[SimilarEntry]


class MapEntry(_Schema):
    """An item on the map."""

    model_config = _example(**_PLACE)
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

    model_config = _example(explained=[0.3, 0.2], groups=1, kinds=[["Why did…"]], items=[_PLACE])
    explained: list[float]
    groups: int
    kinds: list[list[str]]
    items: list[MapEntry]


# Recommendations and questions


class RecommendationOptions(_Schema):
    """How to recommend."""

    model_config = _example(n=5)
    n: Annotated[Count, Field(description="How many items.")] = 10
    offset: Annotated[int, Field(ge=0, le=10_000, description="How many of the best items to leave out.")] = 0
    lowest: Annotated[bool, Field(description="Return the lowest predictions instead of the highest.")] = False
    seen: Annotated[bool, Field(description="Return items that the user has rated, too.")] = False
    only: Annotated[list[Id] | None, Field(max_length=10_000, description="Choose among these items only.")] = None
    exclude: Annotated[list[Id], Field(max_length=10_000, description="Leave these items out.")] = []
    least: Annotated[int, Field(ge=0, le=1 << 40, description="Leave out items with fewer ratings.")] = 0
    by: Annotated[
        Literal["interest", "choice", "prediction", "lower bound", "chance"] | None,
        Field(description="What the list is ordered by; by default interest where the model knows it."),
    ] = None
    level: Annotated[
        Level | None, Field(description="Add the interval that contains the rating with this probability.")
    ] = None
    seed: Annotated[int | None, Field(ge=0, le=1 << 62, description="Seed of the draws if ordered by chance.")] = None
    texts: Annotated[bool, Field(description="Add the texts of the items.")] = False
    reasons: Annotated[int, Field(ge=0, le=20, description="Add as many rated items that speak for each row.")] = 0


class UserOptions(RecommendationOptions):
    """How to recommend to a named user."""

    model_config = _example(n=5)
    fallback: Annotated[
        bool, Field(description="Whether an unknown user is one of whom nothing is known, instead of an error.")
    ] = False


class BatchRequest(UserOptions):
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

    model_config = _example(**_REASON)
    item: int | str
    title: str
    rating: float
    contribution: float


class RecommendationEntry(_Schema):
    """An item with its predicted rating, and with what else the request asked for."""

    model_config = _example(item=89, title="A radio…", prediction=5.81, because=[_REASON])
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


class RecommendationsResponse(_Marked):
    """Recommendations for one user, the best first."""

    model_config = _example(user=12, recommendations=[{"item": 89, "title": "A radio…", "prediction": 5.81}])
    user: int | str | None
    level: float | None = None
    recommendations: list[RecommendationEntry]


class BatchEntry(_Marked):
    """Recommendations for one user of a batch."""

    model_config = _example(user=12, recommendations=[{"item": 89, "title": "A radio…", "prediction": 5.81}])
    user: int | str
    recommendations: list[RecommendationEntry]


class BatchResponse(_Schema):
    """Recommendations for several users, in the order of the request."""

    model_config = _example(
        answers=[{"user": 12, "recommendations": [{"item": 89, "title": "A radio…", "prediction": 5.81}]}]
    )
    answers: list[BatchEntry]


class QuestionEntry(_Schema):
    """An item, and the share of the uncertainty about the user that its rating would remove."""

    model_config = _example(item=8, title="A man…", text="A man… A…", tells=0.09)
    item: int | str
    title: str
    text: str
    tells: float


class QuestionsResponse(_Marked):
    """The items to ask about next, the most informative first."""

    model_config = _example(user=12, questions=[{"item": 8, "title": "A man…", "text": "A man… A…", "tells": 0.09}])
    user: int | str | None
    questions: list[QuestionEntry]


# Predictions


class PairEntry(_Schema):
    """A user and an item."""

    model_config = _example(user=1, item=5)
    user: Id
    item: Id


class PredictionsRequest(_Schema):
    """The pairs to predict."""

    model_config = _example(pairs=[{"user": 1, "item": 5}, {"user": 2, "item": 8}], level=0.9)
    pairs: Annotated[list[PairEntry], Field(max_length=10_000)]
    level: Level | None = None
    fallback: bool = False


class PredictionResponse(_Marked):
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

    model_config = _example(predictions=[{"user": 1, "item": 5, "prediction": 3.21}])
    predictions: list[PredictionResponse]


class ExplanationResponse(_Marked):
    """The parts of a prediction: intercept + contributions + remainder, before clipping to the scale."""

    model_config = _example(
        user=12, item=5, title="Why did…", prediction=3.21, intercept=1.1, remainder=0.1, contributions=[_REASON]
    )
    user: int | str | None
    item: int | str
    title: str
    prediction: float
    intercept: float
    remainder: float
    contributions: list[ContributionEntry]
    choices: list[ContributionEntry] = []


# The model


class ModelResponse(BaseModel):
    """What the model is made of."""

    model_config = _open_example(
        model="1f2e3d4c5b6a7988",
        users=5000,
        items=100,
        ratings=363209,
        factors=28,
        catalogue=150,
        predicts="rating",
        scale=[-10.0, 10.0],
        values=[],
        mean=0.7,
        certain=True,
        interest=True,
        title="Jokes",
        noun=["joke", "jokes"],
        intro="",
        bytes=5000000,
        numbers={"kept": 150000, "matrix": 500000, "share": 0.3},
        solver={"name": "bayes"},
        loaded=1764360000.0,
        refused=None,
    )
    model: str
    users: int
    items: int
    ratings: int | None
    factors: int
    catalogue: int
    predicts: Literal["rating", "choice"]
    scale: list[float]
    values: list[float]
    mean: float
    certain: bool
    interest: bool
    title: str
    noun: list[str]
    intro: str
    bytes: int
    numbers: dict[str, float]
    solver: dict[str, Any]
    loaded: float
    refused: str | None


class QualityResponse(BaseModel):
    """How good the model is, as far as its training record says."""

    model_config = _open_example(history=[], training={}, calibration=None, spread={})
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
