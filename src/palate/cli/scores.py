"""How scores and the course of a fit are shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

from palate.cli.output import paragraph, table

if TYPE_CHECKING:
    from palate.evaluation.evaluate import Evaluation, Scores
    from palate.evaluation.metrics import Metric

__all__ = ["counted_rows", "describe_lists", "legend", "metrics_in", "outcome", "plus_minus", "print_scores", "score"]


def print_scores(title: str, named: dict[str, Scores], spread: Scores | None = None) -> None:
    """Print a table of scores, the lowest RMSE first; `spread` belongs to the first of `named`."""
    first = next(iter(named))
    metrics = metrics_in(named.values())
    rows = []
    for name, scores in sorted(named.items(), key=lambda entry: entry[1]["rmse"]):
        cells = {metric.name: score(scores, metric) for metric in metrics}
        if spread and name == first:
            cells["rmse"] = plus_minus(scores["rmse"], spread["rmse"])
        rows.append([name, *cells.values()])
    table(title, ["", *(metric.title for metric in metrics)], rows)
    paragraph(legend(metrics), "")


def metrics_in(scores: Iterable[Scores], leave_out: Collection[str] = ()) -> list[Metric]:
    """Return the metrics of which at least one model has a score, in the order of `METRICS`.

    >>> metrics = metrics_in([{"rmse": 1.0}, {"rmse": 1.0, "log_likelihood": -1.2, "coverage_90": 0.91}])
    >>> [metric.title for metric in metrics]
    ['RMSE', 'log-likelihood', 'in 90%']
    """
    from palate.evaluation.metrics import METRICS

    names = {name for one in scores for name in one} - set(leave_out)
    return [metric for metric in METRICS.values() if metric.name in names]


def score(scores: Scores, metric: Metric) -> str:
    """Return a score as it is shown: a dash where the model does not have it.

    >>> from palate.evaluation.metrics import METRICS
    >>> score({"coverage_90": 0.9127}, METRICS["coverage_90"]), score({}, METRICS["log_likelihood"])
    ('91.3%', '–')
    """
    value = scores.get(metric.name, float("nan"))
    return f"{value:{metric.form}}" if isfinite(value) else "–"


def legend(metrics: Iterable[Metric]) -> str:
    """Return what the headings of columns mean.

    >>> legend(metrics_in([{"rmse": 0.9, "nmae": 0.2}]))
    'NMAE: the MAE divided by the width of the rating scale.'
    """
    text = "; ".join(f"{metric.title}: {metric.meaning}" for metric in metrics if metric.meaning)
    return f"{text}." if text else ""


def plus_minus(value: float, error: float | None, form: str = ".4f") -> str:
    """Return a number with its uncertainty, where that is known.

    >>> plus_minus(0.87654, 0.0012), plus_minus(0.87654, None)
    ('0.8765 ± 0.0012', '0.8765')
    """
    return f"{value:{form}}" + (f" ± {error:.4f}" if error is not None and isfinite(error) else "")


def counted_rows(evaluation: Evaluation) -> str:
    """Return how many ratings a model was judged on, and how many of them are out of its reach."""
    parts = [f"{evaluation.ratings:,} ratings"]
    if evaluation.unknown:
        parts.append(f"{evaluation.unknown:,} with an unknown user or item")
    if evaluation.off_scale:
        parts.append(f"{evaluation.off_scale:,} off the model's scale: is it the same kind of rating?")
    return ", ".join(parts)


def outcome(training: Mapping[str, Any]) -> str:
    """Return in a line how a fit went.

    Parameters
    ----------
    training
        Of a model.

    Examples
    --------
    >>> outcome({"regularization": 0.055, "epochs": 37, "interrupted": False, "notes": []})
    'regularization 0.055, epochs 37'
    """
    if "pilot_sweeps" in training:
        sweeps, pilots, rank = (training[name] for name in ("sweeps", "pilot_sweeps", "rank"))
        before = f" after {pilots:,} in pilots (trial fits)" if pilots else ""
        gain = training["error_left_percent"]
        more = "" if gain is None else f"; more sweeps would lower the error by about {gain:.2g}%"
        parts = [f"{sweeps:,} sweeps{before}, averaged into factors of rank {rank}{more}"]
    else:
        parts = [f"{name} {value:g}" for name, value in training.items() if type(value) in (int, float)]
    if training.get("stage") == "pilot":
        parts.append("cut short in a pilot (a trial fit), which leaves the validation part of the ratings out")
    return ", ".join(parts)


def describe_lists(record: Mapping[str, Any]) -> str:
    """Return a sentence on how lists are ranked, and why.

    >>> describe_lists({"head": None, "ndcg@10": {"prediction": 0.2, "popularity": 0.1}})
    'Lists are ranked by predicted ratings: NDCG@10 on held-out lists was prediction .2000, popularity .1000.'
    """
    if record["head"] is None:
        way = "predicted ratings"
    elif record["power"]:
        way = f"interest: the chance of being chosen ({record['head']}), times the chance of being liked"
        way += "" if record["power"] == 1 else f" to the power of {record['power']:g}"
    else:
        way = f"the chance of being chosen ({record['head']})"
    tried = sorted(record.get("ndcg@10", {}).items(), key=lambda entry: -entry[1])
    figures = ", ".join(f"{name} {value:.4f}".replace(" 0.", " .") for name, value in tried)
    return f"Lists are ranked by {way}" + (f": NDCG@10 on held-out lists was {figures}." if figures else ".")
