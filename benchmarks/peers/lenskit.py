"""LensKit: its threads are Rayon's, one thread for the BLAS below. Biases are means, found before."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

from data import Task, Turn

# From 2026.1 on it needs Python 3.12.5.
REQUIREMENTS = ("lenskit==2026.4.0" if sys.version_info >= (3, 12, 5) else "lenskit==2025.8.1",)
ENVIRONMENT = {"LK_NUM_PROCS": "1", "LK_NUM_THREADS": "{threads}", "LK_NUM_BACKEND_THREADS": "1"}


def als(task: Task) -> Turn:
    """Explicit ALS by Cholesky on what biases leave; the penalty grows with the number of ratings."""
    import pandas as pd
    from jobs.als import REGULARIZATION
    from lenskit.als import BiasedMFScorer
    from lenskit.data import from_interactions_df
    from lenskit.training import TrainingOptions

    columns = {"user_id": task.train.user, "item_id": task.train.item, "rating": task.train.rating}
    data = from_interactions_df(pd.DataFrame(columns))

    def turn(passes: int) -> tuple[float, Callable[[], float]]:
        scorer = BiasedMFScorer(embedding_size=task.factors, epochs=passes, regularization=REGULARIZATION * task.spread)
        trainer = scorer.create_trainer(data, TrainingOptions(rng=0))
        seconds = []
        for _ in range(passes):
            started = time.perf_counter()
            trainer.train_epoch()
            seconds.append(time.perf_counter() - started)
        trainer.finalize()
        return median(seconds), lambda: score(scorer)

    def score(scorer: BiasedMFScorer) -> float:
        # Ids are row numbers, and its vocabularies are sorted.
        bias = scorer.bias
        biases = bias.global_bias + bias.user_biases[task.test.user] + bias.item_biases[task.test.item]
        return task.rmse(biases + task.products(scorer.user_embeddings, scorer.item_embeddings))

    return turn
