"""How scores are shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import inf, isfinite
from typing import TYPE_CHECKING

from palate.cli.output import paragraph, table

if TYPE_CHECKING:
    from palate.evaluation.evaluate import Evaluation, Scores
    from palate.evaluation.lists import CutMetric
    from palate.evaluation.metrics import Metric
    from palate.evaluation.metrics.calibration import Reliability

    Column = Metric | CutMetric

__all__ = [
    "about_baselines",
    "counted_rows",
    "legend",
    "list_metrics_in",
    "lists_title",
    "metrics_in",
    "plus_minus",
    "print_evaluation",
    "print_lists",
    "print_scores",
    "score",
]

# What is told of the rows that are no solvers.
_BASELINES = {
    "bias only": "the mean of all, and how far the user and the item lie above or below it",
    "user mean": "",
    "item mean": "",
    "global mean": "",
    "item-kNN": "items that the same people liked",
    "popularity (rated)": "what most people rated",
    "popularity (liked)": "what most people liked",
}
# The measures of lists that people see: all of them fit on a line. JSON has every measure.
_LISTS = ("ndcg@10", "recall@20", "map@10", "hit_rate@10", "rated_ndcg@10", "coverage@10")


def print_evaluation(name: str, evaluation: Evaluation, what: str = "") -> None:
    """Print what a model was found to be, beside the baselines: errors, lists, and notes.

    Parameters
    ----------
    name
        Of the model.
    evaluation
        The model and the baselines.
    what
        What the rows are, such as "held-out".
    """
    named = {name: evaluation.scores, **evaluation.baselines}
    if evaluation.unseen_scores:
        named = {f"{name}, without seen": evaluation.unseen_scores, **named}
    rows = counted_rows(evaluation).replace(" ratings", f" {what} ratings".replace("  ", " "), 1)
    print_scores(f"Errors on {rows}", named)
    if evaluation.lists:
        print_lists(lists_title(len(evaluation.lists.task.users), evaluation.lists.task.liked), named)
    if evaluation.chances:
        _print_chances(evaluation.chances)
    for note in evaluation.notes:
        paragraph(note, "")


def _print_chances(chances: Mapping[str, Reliability]) -> None:
    """Print what was said of chances beside what happened, group by group."""
    title = "Chances that the model gave, and how often they came true, in groups of similar chances"
    headings = {"choice": ("chance of choice", "chosen", "pairs"), "liking": ("chance of liking", "liked", "ratings")}
    columns = [heading for name in chances for heading in headings[name]]
    rows: list[list[str]] = [[] for _ in range(max(len(one.rows) for one in chances.values()))]
    for one in chances.values():
        groups = zip(one.chance.tolist(), one.share.tolist(), one.rows.tolist(), strict=True)
        cells = [(f"{chance:.2%}", f"{share:.2%}", f"{count:,}") for chance, share, count in groups]
        cells += [("", "", "")] * (len(rows) - len(cells))
        for row, group in zip(rows, cells, strict=True):
            row.extend(group)
    table(title, columns, rows, left=0)


def lists_title(users: int, liked: float) -> str:
    """Return the title of a table of lists.

    >>> lists_title(1000, 4)
    'Lists for 1,000 users from the whole catalogue, where 4 or more is liked'
    """
    return f"Lists for {users:,} user{'s' * (users != 1)} from the whole catalogue, where {liked:g} or more is liked"


def print_scores(title: str, named: Mapping[str, Scores], spread: Scores | None = None) -> None:
    """Print a table of errors, the lowest RMSE first; `spread` belongs to the first of `named`."""
    from palate.evaluation.lists import LIST_BASELINES

    metrics = metrics_in(named.values())
    _print_table(title, named, metrics, spread, about_baselines(name for name in named if name not in LIST_BASELINES))
    for name, scores in named.items():
        if metrics and name not in LIST_BASELINES and not any(metric.name in scores for metric in metrics):
            paragraph(f"{name} predicts choices and no ratings, so it has no errors: see its lists.", "")


def print_lists(title: str, named: Mapping[str, Scores], spread: Scores | None = None) -> None:
    """Print a table of how good lists are, the highest NDCG first; `spread` belongs to the first of `named`."""
    from palate.evaluation.lists import LIST_BASELINES

    metrics = list_metrics_in(named.values(), _LISTS)
    _print_table(title, named, metrics, spread, about_baselines(name for name in named if name in LIST_BASELINES))


def _print_table(
    title: str, named: Mapping[str, Scores], metrics: Sequence[Column], spread: Scores | None, about: str
) -> None:
    """Print the rows that have one of the scores, the best first column first, and what the words mean."""
    if not metrics:
        return
    names = [metric.name for metric in metrics]
    sign = -1 if metrics[0].higher_is_better else 1

    def place(entry: tuple[str, Scores]) -> float:
        value = sign * entry[1].get(names[0], inf)
        return value if isfinite(value) else inf

    rows = []
    for name, scores in sorted(named.items(), key=place):
        if not any(key in scores for key in names):
            continue
        cells = {metric.name: score(scores, metric) for metric in metrics}
        if spread and name == next(iter(named)):
            cells[names[0]] = plus_minus(scores[names[0]], spread.get(names[0]))
        rows.append([name, *cells.values()])
    table(title, ["", *(metric.title for metric in metrics)], rows)
    paragraph(legend(metrics), "")
    paragraph(about, "")


def metrics_in(scores: Iterable[Scores], leave_out: Collection[str] = ()) -> list[Metric]:
    """Return the metrics of errors of which at least one model has a score, in the order of `METRICS`.

    >>> metrics = metrics_in([{"rmse": 1.0}, {"rmse": 1.0, "log_likelihood": -1.2, "coverage_90": 0.91}])
    >>> [metric.title for metric in metrics]
    ['RMSE', 'log-likelihood', 'in 90%']
    """
    from palate.evaluation.metrics import METRICS

    names = {name for one in scores for name in one} - set(leave_out)
    return [metric for metric in METRICS.values() if metric.name in names]


def list_metrics_in(scores: Iterable[Scores], only: Collection[str] = ()) -> list[CutMetric]:
    """Return the measures of lists of which at least one model has a score, in the order of `LIST_METRICS`.

    >>> [metric.title for metric in list_metrics_in([{"rmse": 1.0}, {"recall@20": 0.2, "ndcg@10": 0.3}])]
    ['NDCG@10', 'recall@20']
    """
    from palate.evaluation.lists import LIST_METRICS, parse_metrics
    from palate.evaluation.metrics import METRICS

    names = dict.fromkeys(name for one in scores for name in one if name not in METRICS and (not only or name in only))
    order = list(LIST_METRICS)
    return sorted(parse_metrics(names), key=lambda metric: order.index(metric.metric.name))


def score(scores: Scores, metric: Column) -> str:
    """Return a score as it is shown: a dash where the model does not have it.

    >>> from palate.evaluation.metrics import METRICS
    >>> score({"coverage_90": 0.9127}, METRICS["coverage_90"]), score({}, METRICS["log_likelihood"])
    ('91.3%', '–')
    """
    value = scores.get(metric.name, float("nan"))
    return f"{value:{metric.form}}" if isfinite(value) else "–"


def legend(metrics: Iterable[Column]) -> str:
    """Return what the headings of columns mean.

    >>> legend(metrics_in([{"nmae": 0.2}]))
    'NMAE: the MAE divided by the width of the rating scale.'
    """
    text = "; ".join(f"{metric.title}: {metric.meaning}" for metric in metrics if metric.meaning)
    return f"{text}." if text else ""


def about_baselines(names: Iterable[str]) -> str:
    """Return what the baselines among the rows of a table are.

    >>> about_baselines(["sgd", "user mean", "item-kNN"])
    'Baselines, to compare with: user mean; item-kNN: items that the same people liked.'
    """
    shown = [name + (f": {_BASELINES[name]}" if _BASELINES[name] else "") for name in names if name in _BASELINES]
    return f"Baselines, to compare with: {'; '.join(shown)}." if shown else ""


def plus_minus(value: float, error: float | None, form: str = ".4f") -> str:
    """Return a number with its uncertainty, where that is known.

    >>> plus_minus(0.87654, 0.0012), plus_minus(0.87654, None)
    ('0.8765 ± 0.0012', '0.8765')
    """
    return f"{value:{form}}" + (f" ± {error:.4f}" if error is not None and isfinite(error) else "")


def counted_rows(evaluation: Evaluation) -> str:
    """Return how many ratings a model was judged on, and how many of them are out of its reach."""
    parts = [f"{evaluation.ratings:,} ratings"]
    if evaluation.seen:
        parts.append(f"{evaluation.seen:,} of them seen in the fit")
    if evaluation.unknown:
        parts.append(f"{evaluation.unknown:,} with an unknown user or item")
    if evaluation.off_scale:
        parts.append(f"{evaluation.off_scale:,} off the model's scale: is it the same kind of rating?")
    return ", ".join(parts)
