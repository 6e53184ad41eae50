"""Judging solvers and models on ratings that they have not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from palate.errors import DataError
from palate.evaluation.metrics.errors import LEVELS, METRICS, coverage, log_likelihood
from palate.model import Model
from palate.ratings import Ratings
from palate.solvers import BASELINES

__all__ = ["Evaluation", "Fitter", "Scores", "evaluate"]

Scores = dict[str, float]


class Fitter(Protocol):
    """What can be judged: a solver or a baseline."""

    def fit(self, ratings: Ratings, *, threads: int | None = None) -> Model: ...  # noqa: D102


@dataclass(frozen=True)
class Evaluation:
    """Errors on a test part, beside those of the baselines fitted on the same training part.

    Attributes
    ----------
    ratings
        Rows of the test part; all of them count.
    unknown
        Rows whose user or item has no training rating; they are predicted by the mean plus the known side's bias.
    off_scale
        Rows whose rating lies off the model's scale: they cannot be predicted well.
    scores
        "rmse", "mae", "nmae"; where the model has intervals also "log_likelihood" and "coverage_50", "coverage_80",
        "coverage_90", "coverage_95": the shares of ratings that lie in the intervals of 50%, 80% and so on.
    baselines
        The same for each of `palate.solvers.BASELINES`; empty where the model keeps no training ratings.
    """

    ratings: int
    unknown: int
    off_scale: int
    scores: Scores
    baselines: dict[str, Scores]

    def as_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain values."""
        return {
            **self.scores,
            "ratings": self.ratings,
            "unknown": self.unknown,
            "off_scale": self.off_scale,
            "baselines": self.baselines,
        }


def evaluate(model: Model, test: Ratings, *, baselines: bool = True) -> Evaluation:
    """Judge a model on ratings that it was not fitted on.

    Parameters
    ----------
    model
        Its training ratings, if it keeps them, fit the baselines.
    test
        Ratings with ids of the model; every row counts, whether its ids are known or not.
    baselines
        Whether to fit and judge the baselines too.

    Raises
    ------
    DataError
        If the test part is empty.
    """
    if not len(test):
        raise DataError("there are no ratings to judge on")
    if model.predicts == "choice":
        raise DataError("this model learnt scores of choices, not ratings: it has no errors to report")
    train = model.ratings() if baselines else None
    rivals = {name: solver.fit(train) for name, solver in BASELINES.items()} if train else {}
    known = (model.users.index(test.users.ids)[test.user] >= 0) & (model.items.index(test.items.ids)[test.item] >= 0)
    return Evaluation(
        ratings=len(test),
        unknown=int((~known).sum()),
        off_scale=int((test.rating != model.scale.clip(test.rating)).sum()),
        scores=_scores(model, test),
        baselines={name: _scores(rival, test) for name, rival in rivals.items()},
    )


def _scores(model: Model, test: Ratings) -> Scores:
    predictions = model.predict_table(test)
    found = {name: metric(test.rating, predictions, model.scale) for name, metric in METRICS.items()}
    deviation = model.deviation_table(test)
    if deviation is not None:
        found["log_likelihood"] = log_likelihood(test.rating, predictions, deviation, model.scale)
    for level in LEVELS:
        interval = model.interval_table(test, level)
        if interval is not None:
            found[f"coverage_{level * 100:.0f}"] = coverage(test.rating, *interval)
    return found
