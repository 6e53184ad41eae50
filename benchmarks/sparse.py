"""Errors and intervals on tables of a few ratings a user, as in docs/accuracy.md.

    python benchmarks/sparse.py DATA [SEED ...]

DATA is a folder as for benchmarks/accuracy.py. Tables are random users of a data set with some of their ratings each; a
fifth of the ratings is held out. The default is compared with each fixed combination of parts and with SGD.
"""

from __future__ import annotations

import sys
import time
from itertools import product
from pathlib import Path

import numpy as np

from palate import SGD, BayesianMF, Ratings, holdout, read_ratings
from palate.solvers.bayes.state import ModelParts

# File, scale, users, ratings of each on average.
TABLES = {
    "MovieLens 1M, 4 ratings each": ("ml-1m/ratings.dat", (1, 5), 6040, 4),
    "MovieLens 1M, 10 ratings each": ("ml-1m/ratings.dat", (1, 5), 3000, 10),
    "MovieLens 100K, 8 ratings each": ("ml-100k/u.data", (1, 5), 943, 8),
    "Jester-1, 5 ratings each": ("jester1/jester-data-1.csv", None, 4000, 5),
    "Jester 5k, 3 ratings each": ("jester/jester5k_ratings.dat", None, 5000, 3),
}


def combination(**on: bool) -> BayesianMF:
    return BayesianMF(sweeps=300, **(dict.fromkeys(ModelParts._fields, False) | on))


SOLVERS = {
    "default": BayesianMF(),
    "default, 2,000 sweeps": BayesianMF(sweeps=2000),
    "plain": combination(),
    "noise": combination(user_noise=True, item_noise=True),
    "sets": combination(user_sets=True, item_sets=True),
    "all parts": combination(user_noise=True, item_noise=True, user_sets=True, item_sets=True),
    "SGD": SGD(),
}


def thin(ratings: Ratings, users: int, each: int, seed: int) -> Ratings:
    """Return random ratings of random users, half to one and a half of the average each."""
    rng = np.random.default_rng(seed)
    is_chosen = np.zeros(len(ratings.users), bool)
    is_chosen[rng.permutation(len(ratings.users))[:users]] = True
    order = rng.permutation(len(ratings))
    order = order[np.argsort(ratings.user[order], kind="stable")]
    user = ratings.user[order]
    place = np.arange(len(user)) - np.searchsorted(user, user)
    wanted = rng.integers(max(1, each // 2), each + each // 2 + 1, len(ratings.users))
    keep = np.zeros(len(ratings), bool)
    keep[order[(place < wanted[user]) & is_chosen[user]]] = True
    return ratings.take(keep).compact()


def share(inside: np.ndarray) -> str:
    return f"{inside.mean():.1%} of {len(inside):,}" if len(inside) else "-"


def main(data: Path, seeds: list[int]) -> None:
    print(
        "| table | seed | solver | RMSE | CPU s | in 90% | by tenth of users | unknown users | unknown items | parts |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for (title, (file, scale, users, each)), seed in product(TABLES.items(), seeds):
        train, test = holdout(thin(read_ratings(data / file, scale=scale), users, each, seed), 0.2, seed=seed)
        user_counts, item_counts = train.user_counts[test.user], train.item_counts[test.item]
        for name, solver in SOLVERS.items():
            started = time.process_time()
            model = solver.fit(train)
            seconds = time.process_time() - started
            rmse = float(np.sqrt(np.mean(np.square(model.predict_table(test) - test.rating))))
            cells = ["-"] * 4
            if model.posterior is not None:
                low, high = model.interval_table(test, 0.9)
                inside = (low <= test.rating) & (test.rating <= high)
                tenths = [part.mean() for part in np.array_split(inside[np.argsort(user_counts, kind="stable")], 10)]
                cells = [
                    f"{inside.mean():.1%}",
                    f"{min(tenths):.1%} to {max(tenths):.1%}",
                    share(inside[user_counts == 0]),
                    share(inside[item_counts == 0]),
                ]
            parts = model.training.get("parts", "-")
            print("", title, seed, name, f"{rmse:.4f}", f"{seconds:.0f}", *cells, parts, "", sep=" | ", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), [int(seed) for seed in sys.argv[2:]] or [0])
