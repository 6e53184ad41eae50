"""Judging solvers and models on ratings that they have not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from palate.errors import DataError
from palate.evaluation.metrics import METRICS, Judged
from palate.model import Model, Predicts
from palate.ratings import Ratings
from palate.reading import ratings_of
from palate.solvers import BASELINES
from palate.solvers.progress import quietly
from palate.tabular import Tabular

__all__ = ["Estimator", "Evaluation", "Scores", "evaluate", "require_ratings_predicted"]

Scores = dict[str, float]


class Estimator(Protocol):
    """What can be fitted and then judged: a solver or a baseline."""

    def fit(self, ratings: Ratings, *, threads: int | None = None) -> Model: ...  # noqa: D102


@dataclass(frozen=True, repr=False)
class Evaluation(Tabular):
    """Scores on a test part, beside those of the baselines fitted on the same training part.

    Attributes
    ----------
    ratings
        Rows of the test part; all of them count.
    unknown
        Rows whose user or item has no training rating; they are predicted by the mean plus the known side's bias.
    off_scale
        Rows whose rating lies off the model's scale: they cannot be predicted well.
    scores
        By the names of `palate.evaluation.metrics.METRICS`, those that the model can have: "rmse", "mae", "nmae";
        where the model has intervals also "log_likelihood" and "coverage_50", "coverage_80", "coverage_90",
        "coverage_95", the shares of ratings that lie in the intervals of 50%, 80% and so on.
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

    def columns(self) -> dict[str, list[Any]]:
        """Return a row for the model and one for each baseline, with their scores."""
        rows = {"model": self.scores, **self.baselines}
        scores = {name: [one.get(name) for one in rows.values()] for name in self.scores}
        return {"name": list(rows), **scores}

    def heading(self) -> str:
        """Say what was judged on."""
        unknown = f", {self.unknown:,} with an unknown user or item" if self.unknown else ""
        return f"Errors on {self.ratings:,} ratings{unknown}"


def require_ratings_predicted(name: str, predicts: Predicts) -> None:
    """Refuse a solver, or its model, whose scores are no ratings: it has no errors.

    Raises
    ------
    DataError
        If the scores are of choices.
    """
    if predicts != "rating":
        raise DataError(f"the solver {name!r} learns scores of choices, not ratings: it has no errors to report")


def evaluate(model: Model, test: Ratings | Any, *, baselines: bool = True) -> Evaluation:
    """Judge a model on ratings that it was not fitted on.

    Parameters
    ----------
    model
        Its training ratings, if it keeps them, fit the baselines.
    test
        Ratings with ids of the model, or whatever `palate.read_ratings` reads. Every row counts,
        whether its ids are known or not.
    baselines
        Whether to fit and judge the baselines too.

    Raises
    ------
    DataError
        If the test part is empty, or the model predicts choices.
    """
    test = ratings_of(test)
    if not len(test):
        raise DataError("there are no ratings to judge on")
    require_ratings_predicted(str(model.solver.get("name", "model")), model.predicts)
    train = model.ratings() if baselines else None
    with quietly():
        rivals = {name: solver.fit(train) for name, solver in BASELINES.items()} if train else {}
    judged = Judged(model, test)
    return Evaluation(
        ratings=len(test),
        unknown=int(((judged.user < 0) | (judged.item < 0)).sum()),
        off_scale=int((test.rating != model.scale.clip(test.rating)).sum()),
        scores=_scores(judged),
        baselines={name: _scores(Judged(rival, test)) for name, rival in rivals.items()},
    )


def _scores(judged: Judged) -> Scores:
    return {name: metric.function(judged) for name, metric in METRICS.items() if metric.applies_to(judged)}
