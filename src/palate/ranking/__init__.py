"""Choosing the best of many scores, for one user (`single`), for many (`batch`), or from an index (`approximate`)."""

from __future__ import annotations

from palate.ranking.batch import BatchRanker, RankFunction, SeenRanges
from palate.ranking.single import Scored, best, check_count, scores

__all__ = ["BatchRanker", "RankFunction", "Scored", "SeenRanges", "best", "check_count", "scores"]
