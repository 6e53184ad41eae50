"""How good the default's lists are, as in docs/accuracy.md.

    python benchmarks/lists.py RATINGS [SEEDS]

RATINGS is a file such as ml-100k/u.data. For each seed a random fifth is held out; a rating of 4 or more is relevant. The
model is what `palate fit` saves; its lists are ranked by interest, by the choice head alone, and by predicted ratings.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from palate import fit, holdout, read_ratings
from palate.evaluation.chances import judge_chances
from palate.evaluation.lists import ListTask, evaluate_lists
from palate.model import Model

LIKED = 4.0
METRICS = ["ndcg@10", "recall@20"]


@dataclass
class RankedBy:
    """A model whose lists are ranked by something."""

    model: Model
    by: str

    def __post_init__(self) -> None:
        self.users, self.items = self.model.users, self.model.items

    def recommend_batch(self, users: object, n: int = 10) -> object:  # noqa: D102
        return self.model.recommend_batch(users, n, by=self.by)


def main(path: str, seeds: int) -> None:
    rows: dict[str, list[tuple[float, ...]]] = {}
    ratings = read_ratings(path)
    for seed in range(seeds):
        train, test = holdout(ratings, 0.2, seed=seed)
        train = train.compact()
        model = fit(train, liked=LIKED)
        print(seed, model.training["lists"], model.interest, flush=True)
        for by in ("interest", "choice", "prediction"):
            scores = evaluate_lists(
                RankedBy(model, by), train, test, liked=LIKED, metrics=METRICS, baselines=False
            ).scores
            rows.setdefault(by, []).append(tuple(scores[name] for name in METRICS))
            print(f"seed {seed}, by {by}: {scores}", flush=True)
        for name, result in judge_chances(model, ListTask.of(train, test, LIKED)).items():
            print(name, result.as_dict(), flush=True)
    for by, figures in rows.items():
        mean, spread = np.mean(figures, axis=0), np.std(figures, axis=0, ddof=1 if seeds > 1 else 0)
        print(f"| by {by} | {mean[0]:.4f} ± {spread[0]:.4f} | {mean[1]:.4f} |")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
