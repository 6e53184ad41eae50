"""Judging a model on a table that one machine cannot hold: executors judge parts of it, the driver adds them up."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import ceil, nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.evaluation.evaluate import Evaluation, Scores, judge, known_values, seen_note
from palate.evaluation.lists import ListEvaluation, guess_liked
from palate.evaluation.lists.measures import LIST_METRICS, parse_metrics
from palate.evaluation.lists.ranked import RankedLists
from palate.evaluation.lists.task import ListTask
from palate.evaluation.metrics import METRICS
from palate.ratings import Ratings
from palate.spark.model_file import ModelFile, executor_errors, share_model
from palate.spark.reading import frame_of, tidy_frame
from palate.spark.session import open_spark
from palate.spark.tasks import map_batches, ratings_of_batch

__all__ = ["SparkEvaluation", "evaluate"]

# Ratings that a task judges, about.
_PART = 1 << 20


@dataclass(frozen=True, eq=False, repr=False)
class SparkEvaluation(Evaluation):
    """An evaluation whose lists were judged by executors.

    Attributes
    ----------
    users
        How many users' lists were judged.
    liked
        The rating from which an item was relevant; None if no lists were judged.
    standard_errors
        Of the means over users.
    """

    users: int = 0
    liked: float | None = None
    standard_errors: Scores = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the evaluation as plain values, None for what cannot be known."""
        more = {"users": self.users, "liked": self.liked, "standard_errors": self.standard_errors}
        return {**super().as_dict(), **known_values(more)}


@dataclass(frozen=True)
class _Part:
    """What the driver must know of a part of the table.

    Attributes
    ----------
    evaluation
        Without its lists.
    sums
        For each measure that has a value for each user: the number of values, their sum and the sum of their squares.
    listed
        For each measure that looks at all lists at once: int64 (items,), how many lists hold each item.
    """

    evaluation: Evaluation
    users: int
    sums: dict[str, NDArray[np.float64]]
    listed: dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class _Judge:
    """Judges the ratings of some users."""

    file: ModelFile
    liked: float | None

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa

        batches = [batch for batch in batches if batch.num_rows]
        if not batches:
            return
        model, test = self.file.open(), ratings_of_batch(pa.Table.from_batches(batches))
        _refuse_repeats(test)
        evaluation = judge(model, test, liked=self.liked, baselines=False, threads=1)
        content = pickle.dumps(_part(evaluation))
        yield pa.record_batch({"result": pa.array([content], pa.binary())})


def _refuse_repeats(test: Ratings) -> None:
    pairs = (test.user.astype(np.int64) << 32) | test.item
    repeats = len(pairs) - len(np.unique(pairs))
    if repeats:
        raise DataError(
            f"{repeats:,} rows of a part of the table rate a pair of user and item again; settle it with "
            "duplicates='last', 'mean', 'sum' or 'count' (--duplicates last|mean|sum|count)"
        )


def _part(evaluation: Evaluation) -> _Part:
    lists = evaluation.lists
    plain = replace(evaluation, lists=None)
    if lists is None:
        return _Part(plain, 0, {}, {})
    sums = {}
    for name, values in lists.values.items():
        known = values[~np.isnan(values)]
        sums[name] = np.array([len(known), known.sum(), np.square(known).sum()])
    return _Part(plain, len(lists.task.users), sums, _listed(lists))


def _listed(lists: ListEvaluation) -> dict[str, NDArray[np.int64]]:
    whole = parse_metrics([name for name in lists.scores if name not in lists.values])
    items = len(lists.task.train.items)
    shown = {str(metric): lists.ranked.lists[:, : metric.n] for metric in whole}
    return {name: np.bincount(some[some >= 0], minlength=items) for name, some in shown.items()}


def evaluate(
    model: str | Path,
    test: Any,
    *,
    liked: float | None = None,
    master: str | None = None,
    **reading: Any,
) -> SparkEvaluation:
    """Judge a model on a table by Spark: the scores of `palate.evaluate`, without baselines.

    Each task judges all ratings of some users, with the functions of a local evaluation. The driver gets sums. Of each
    task at most 10,000 users' lists are judged, drawn at random.

    Parameters
    ----------
    model
        The model file. Executors that do not see its path get a copy from Spark.
    test
        A frame of Spark, or whatever `palate.spark.read_frame` reads.
    liked
        As in `palate.evaluate`.
    master
        Where Spark runs, see `palate.spark.open_spark`.
    **reading
        `user`, `item`, `rating`, `time`, `on_error`, `duplicates`, `scale`, `separator` and `header`, as in
        `palate.read_ratings`.

    Raises
    ------
    StorageError, ReadError, DataError
        As in `palate.evaluate`.
    """
    spark = open_spark(master)
    file, fitted = share_model(spark, model)
    known = fitted.ratings()
    notes = ["baselines are judged by a local evaluation only"]
    if known is not None and liked is None:
        plain = known if fitted.predicts == "rating" else replace(known, declared_scale=None)
        liked = guess_liked(plain)
        notes.append(f"relevant, that is liked, is a test rating of {liked:g} or more: guessed (`liked` sets it)")
    layout = {name: reading.pop(name) for name in ("separator", "header") if name in reading}
    frame, source = frame_of(spark, test, **layout)
    tidy, _ = tidy_frame(frame, **reading, source=source)
    size = tidy.count()
    parts = max(1, min(2 * spark.sparkContext.defaultParallelism, ceil(size / 1000)), ceil(size / _PART))
    spark.sparkContext.setJobGroup("palate", "palate: evaluate", interruptOnCancel=True)
    with executor_errors():
        rows = map_batches(tidy.repartition(parts, "user"), _Judge(file, liked), "result binary").toArrow()
    return _pooled([pickle.loads(one.as_buffer()) for one in rows.column("result")], known, liked, notes)


def _pooled(parts: list[_Part], known: Ratings | None, liked: float | None, notes: list[str]) -> SparkEvaluation:
    evaluations = [part.evaluation for part in parts]
    counts = {
        name: sum(getattr(one, name) for one in evaluations) for name in ("ratings", "unknown", "off_scale", "seen")
    }
    scores = _pool_errors([(one.scores, one.ratings) for one in evaluations])
    unseen: Scores = {}
    if 0 < counts["seen"] < counts["ratings"]:
        new = [(one.unseen_scores if one.seen else one.scores, one.ratings - one.seen) for one in evaluations]
        unseen = _pool_errors([(errors, rows) for errors, rows in new if rows])
        notes.insert(0, seen_note(counts["seen"], counts["ratings"]))
    means, errors = _pool_values(parts)
    users = sum(part.users for part in parts)
    if users and known is not None and liked is not None:
        means |= _pool_lists(parts, known, liked)
        notes.append(f"{users:,} users' lists were judged")
    order = list(LIST_METRICS)
    lists = {name: means[name] for name in sorted(means, key=lambda name: order.index(name.partition("@")[0]))}
    return SparkEvaluation(
        **counts, scores=scores | lists, unseen_scores=unseen, baselines={}, lists=None, notes=tuple(notes),
        users=users, liked=liked if users else None, standard_errors=errors,
    )  # fmt: skip


def _pool_errors(parts: list[tuple[Scores, int]]) -> Scores:
    """Return the errors of a table from those of its parts and their rows: see `palate.evaluation.metrics.Metric`."""
    pooled, total = {}, sum(rows for _, rows in parts)
    for name, metric in METRICS.items():
        if parts and all(name in scores for scores, _ in parts):
            powers = sum(rows * scores[name] ** metric.power for scores, rows in parts)
            pooled[name] = (powers / total) ** (1 / metric.power)
    return pooled


def _pool_values(parts: list[_Part]) -> tuple[Scores, Scores]:
    """Return the means over the users of all parts, and their standard errors."""
    means, errors = {}, {}
    for name in {name: None for part in parts for name in part.sums}:
        count, total, squares = np.sum([part.sums[name] for part in parts if name in part.sums], axis=0)
        means[name] = float(total / count) if count else nan
        spread = squares - total**2 / count if count > 1 else nan
        errors[name] = sqrt(max(0.0, spread) / (count - 1) / count) if count > 1 else nan
    return means, errors


def _pool_lists(parts: list[_Part], known: Ratings, liked: float) -> Scores:
    """Return the measures of all lists at once, which depend only on how many of them hold each item."""
    nothing, offsets = np.empty(0, np.int32), np.zeros(1, np.int64)
    task = ListTask(
        known, liked, nothing, offsets, nothing, nothing.astype(np.int64), offsets, nothing, nothing.astype("f4"), ()
    )
    scores = {}
    for name in {name: None for part in parts for name in part.listed}:
        listed = np.sum([part.listed[name] for part in parts if name in part.listed], axis=0)
        lists = np.repeat(np.arange(len(listed), dtype=np.int32), listed)[:, np.newaxis]
        score = parse_metrics([name])[0](RankedLists(task, lists))
        assert isinstance(score, float)
        scores[name] = score
    return scores
