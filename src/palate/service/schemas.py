"""What requests and responses contain, for validation and for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr, model_validator

__all__ = [
    "AnonymousExplanationRequest",
    "AnonymousRecommendationsRequest",
    "AnonymousRequest",
    "BatchRequest",
    "BatchResponse",
    "ExplanationResponse",
    "ItemResponse",
    "ItemsResponse",
    "MapResponse",
    "PredictionResponse",
    "PredictionsRequest",
    "PredictionsResponse",
    "Problem",
    "QuestionsResponse",
    "RatingRequest",
    "RatingResponse",
    "RatingsRequest",
    "RatingsResponse",
    "RecommendationOptions",
    "RecommendationsResponse",
    "Schema",
    "SimilarResponse",
    "UserOptions",
    "VisitorResponse",
    "example",
]

Text = Annotated[StrictStr, Field(min_length=1, max_length=512)]
Id = StrictInt | Text
Rating = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1000)]
Level = Annotated[float, Field(gt=0, lt=1)]
AtMoment = Annotated[
    StrictInt | StrictFloat | Annotated[StrictStr, Field(max_length=64)] | None,
    Field(
        description="The moment of the rating: a date or a time in ISO format, or seconds since 1970. "
        "It matters to models with effects of time.",
    ),
]


#: The largest number of rows and reasons that one request may ask for.
LARGEST_ANSWER = 100_000


class Schema(BaseModel):
    """Refuses fields that it does not have."""

    model_config = ConfigDict(extra="forbid")


def example(**values: Any) -> ConfigDict:
    """Return the configuration of a `Schema` with an example."""
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


class RatingRequest(Schema):
    """A rating."""

    model_config = example(rating=3.5)
    rating: Rating


class RatingsRequest(Schema):
    """Item id → rating; null withdraws a rating."""

    model_config = example(ratings={"5": 3.5, "8": None})
    ratings: Annotated[dict[Text, Rating | None], Field(max_length=10_000)]


class RatingResponse(Schema):
    """One rating of a user."""

    model_config = example(item=5, title="Why did…", rating=3.5)
    item: int | str
    title: str
    rating: float


class RatingsResponse(Schema):
    """All ratings of a user."""

    model_config = example(user=12, ratings=[{"item": 5, "title": "Why did…", "rating": 3.5}])
    user: int | str | None
    ratings: list[RatingResponse]


class VisitorResponse(Schema):
    """Whether an anonymous visitor has a cookie, and how many ratings are stored."""

    model_config = example(known=True, ratings=5)
    known: bool
    ratings: int


# Items


class _Marked(Schema):
    """An answer that may say that the store was away (`degraded`) or that nothing is known of the user (`fallback`)."""

    degraded: bool | None = None
    fallback: Literal["prior"] | None = None
    unknown: list[int | str] | None = None


class _Dated(_Marked):
    """An answer that repeats the moment that was asked about, and says whether the model knows effects of time."""

    at: int | float | str | None = None
    times: bool | None = None


class ItemResponse(Schema):
    """An item. Without a score it is in the catalogue but was never rated."""

    model_config = example(item=5, title="Why did…", text="Why did… To…", ratings=4991, mean=0.2, has_score=True)
    item: int | str
    title: str
    text: str
    ratings: int
    mean: float | None
    has_score: bool


class ItemsResponse(Schema):
    """One page of the items that match a search."""

    model_config = example(total=1, offset=0, items=[_ITEM])
    total: int
    offset: int
    items: list[ItemResponse]


class SimilarEntry(Schema):
    """An item or a user, and its similarity."""

    model_config = example(id=8, title="A man…", similarity=0.83)
    id: int | str
    title: str
    similarity: float


class SimilarResponse(_Marked):
    """The most similar items or users."""

    model_config = example(id=5, by="cosine", similar=[{"id": 8, "title": "A man…", "similarity": 0.83}])
    id: int | str
    by: Literal["cosine", "dot"]
    similar: list[SimilarEntry]


class MapEntry(Schema):
    """An item on the map."""

    model_config = example(**_PLACE)
    item: int | str
    title: str
    text: str
    x: float
    y: float
    ratings: int
    mean: float | None
    group: int


class MapResponse(Schema):
    """Items in two dimensions: items near each other are liked by the same people."""

    model_config = example(explained=[0.3, 0.2], groups=1, kinds=[["Why did…"]], items=[_PLACE])
    explained: list[float]
    groups: int
    kinds: list[list[str]]
    items: list[MapEntry]


# Recommendations and questions


class RecommendationOptions(Schema):
    """How to recommend."""

    model_config = example(n=5)
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
    seed: Annotated[int | None, Field(ge=0, le=1 << 62, description="Seed of the draws by chance.")] = None
    explore: Annotated[
        float, Field(ge=0, le=1, description="Give this share of the places to items with few ratings, by chance.")
    ] = 0.0
    at: AtMoment = None
    texts: Annotated[bool, Field(description="Add the texts of the items.")] = False
    reasons: Annotated[int, Field(ge=0, le=20, description="Add as many rated items that speak for each row.")] = 0


class UserOptions(RecommendationOptions):
    """How to recommend to a named user."""

    model_config = example(n=5)
    fallback: Annotated[
        bool, Field(description="Whether an unknown user is one of whom nothing is known, instead of an error.")
    ] = False


class BatchRequest(UserOptions):
    """The users to recommend to, and how."""

    model_config = example(users=[1, 2], n=5)
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

    model_config = example(ratings={"5": 3.5, "8": -2.0}, n=5, level=0.9)
    ratings: AnonymousRatings


class AnonymousRequest(Schema):
    """The ratings of an anonymous user, which are not stored."""

    model_config = example(ratings={"5": 3.5, "8": -2.0})
    ratings: AnonymousRatings
    n: Count = 10


class AnonymousExplanationRequest(AnonymousRequest):
    """The ratings of an anonymous user, and the moment that is asked about."""

    at: AtMoment = None


class ContributionEntry(Schema):
    """A rated item, and how many points it adds to a prediction."""

    model_config = example(**_REASON)
    item: int | str
    title: str
    rating: float
    contribution: float


class RecommendationEntry(Schema):
    """An item with its predicted rating, and with what else the request asked for."""

    model_config = example(item=89, title="A radio…", prediction=5.81, because=[_REASON])
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


class RecommendationsResponse(_Dated):
    """Recommendations for one user, the best first."""

    model_config = example(user=12, recommendations=[{"item": 89, "title": "A radio…", "prediction": 5.81}])
    user: int | str | None
    level: float | None = None
    recommendations: list[RecommendationEntry]


class BatchEntry(_Marked):
    """Recommendations for one user of a batch."""

    model_config = example(user=12, recommendations=[{"item": 89, "title": "A radio…", "prediction": 5.81}])
    user: int | str
    recommendations: list[RecommendationEntry]


class BatchResponse(_Dated):
    """Recommendations for several users, in the order of the request."""

    model_config = example(
        answers=[{"user": 12, "recommendations": [{"item": 89, "title": "A radio…", "prediction": 5.81}]}]
    )
    answers: list[BatchEntry]


class QuestionEntry(Schema):
    """An item, and the share of the uncertainty about the user that its rating would remove."""

    model_config = example(item=8, title="A man…", text="A man… A…", tells=0.09)
    item: int | str
    title: str
    text: str
    tells: float


class QuestionsResponse(_Marked):
    """The items to ask about next, the most informative first."""

    model_config = example(user=12, questions=[{"item": 8, "title": "A man…", "text": "A man… A…", "tells": 0.09}])
    user: int | str | None
    questions: list[QuestionEntry]


# Predictions


class PairEntry(Schema):
    """A user and an item."""

    model_config = example(user=1, item=5)
    user: Id
    item: Id


class PredictionsRequest(Schema):
    """The pairs to predict."""

    model_config = example(pairs=[{"user": 1, "item": 5}, {"user": 2, "item": 8}], level=0.9)
    pairs: Annotated[list[PairEntry], Field(max_length=10_000)]
    level: Level | None = None
    at: AtMoment = None
    fallback: bool = False


class PredictionResponse(_Dated):
    """A predicted rating."""

    model_config = example(user=12, item=5, prediction=3.21, low=-1.2, high=7.4, level=0.9)
    user: int | str | None
    item: int | str
    prediction: float
    low: float | None = None
    high: float | None = None
    level: float | None = None


class PredictionsResponse(_Dated):
    """Predicted ratings in the order of the request."""

    model_config = example(predictions=[{"user": 1, "item": 5, "prediction": 3.21}])
    predictions: list[PredictionResponse]


class ExplanationResponse(_Dated):
    """The parts of a prediction: intercept + contributions + remainder, before clipping to the scale."""

    model_config = example(
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
