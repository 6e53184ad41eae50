"""What responses about the model and about fits contain."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from palate.service.schemas import Schema, example

__all__ = ["ModelResponse", "QualityResponse", "RetrainResponse", "StateResponse"]


def _open_example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


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


class RetrainResponse(Schema):
    """A fit of the model on all ratings. Times are seconds since 1970."""

    model_config = example(
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


class StateResponse(Schema):
    """The state of the model, the store and the fits; `paused` after a failure, until fits by themselves go on."""

    model_config = example(
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
