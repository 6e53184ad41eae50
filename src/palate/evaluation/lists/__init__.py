"""Judging lists of recommendations on ratings that were held out."""

from __future__ import annotations

from palate.evaluation.lists.baselines import LIST_BASELINES, ListBaseline, list_baselines, popularity, random_scores
from palate.evaluation.lists.evaluate import Band, ListEvaluation, evaluate_lists, judge_lists
from palate.evaluation.lists.measures import LIST_METRICS, CutMetric, ListMetric, default_metrics, parse_metrics
from palate.evaluation.lists.newcomers import FoldedIn
from palate.evaluation.lists.ranked import (
    BatchRecommender,
    BlockScores,
    RankedLists,
    Recommender,
    ScoringRecommender,
    rank,
)
from palate.evaluation.lists.task import ListTask, guess_liked, require_liked

__all__ = [
    "LIST_BASELINES",
    "LIST_METRICS",
    "Band",
    "BatchRecommender",
    "BlockScores",
    "CutMetric",
    "FoldedIn",
    "ListBaseline",
    "ListEvaluation",
    "ListMetric",
    "ListTask",
    "RankedLists",
    "Recommender",
    "ScoringRecommender",
    "default_metrics",
    "evaluate_lists",
    "guess_liked",
    "judge_lists",
    "list_baselines",
    "parse_metrics",
    "popularity",
    "random_scores",
    "rank",
    "require_liked",
]
