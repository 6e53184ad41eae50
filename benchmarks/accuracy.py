"""Errors of palate's solvers on real ratings, as the table of docs/accuracy.md.

    python benchmarks/accuracy.py DATA [SOLVER ...]

DATA is a folder with jester/jester5k_ratings.dat, jester1/jester-data-1.csv, ml-100k/u1.base ... u5.test and
ml-1m/ratings.dat. Every split is the same for all solvers; all rows of a test part count; what a solver chooses, it chooses inside the training part.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from palate import ALS, SGD, BayesianMF, Split, cross_validate, holdout, read_ratings

SOLVERS = {
    "BayesianMF (the default)": BayesianMF(),
    "SGD, k = 16 (its default)": SGD(),
    "SGD, k = 64": SGD(factors=64),
    "ALS, k = 15 (its default)": ALS(),
    "ALS, k = 15, non-negative": ALS(nonnegative=True),
    "the article's configuration": SGD.article(),
}


def random_splits(path: Path, count: int) -> Iterator[Split]:
    ratings = read_ratings(path)
    return (holdout(ratings, 0.1, seed=seed) for seed in range(count))


def main(data: Path, names: list[str]) -> None:
    protocols = {
        "Jester 5k, five random 90/10 splits": lambda: random_splits(data / "jester/jester5k_ratings.dat", 5),
        "Jester-1 part 1, three random 90/10 splits": lambda: random_splits(data / "jester1/jester-data-1.csv", 3),
        "MovieLens 100K, u1 to u5": lambda: (
            Split(*(read_ratings(data / f"ml-100k/u{fold}.{part}", scale=(1, 5)) for part in ("base", "test")))
            for fold in range(1, 6)
        ),
        "MovieLens 1M, three random 90/10 splits": lambda: random_splits(data / "ml-1m/ratings.dat", 3),
    }
    sure = []
    print(
        "| data, protocol | solver | RMSE ± sd | MAE | NMAE | s a fit | distinct rows an epoch |\n|---|---|---|---|---|---|---|"
    )
    for protocol, splits in protocols.items():
        for name in names or SOLVERS:
            solver = SOLVERS[name]
            started = time.perf_counter()
            result = cross_validate(solver, splits())
            seconds = (time.perf_counter() - started) / len(result.folds)
            rows = solver.fit(next(splits()).train).training["history"][-1]["rows"]
            print(
                f"| {protocol} | {name} | {result.mean['rmse']:.4f} ± {result.spread['rmse']:.4f} | {result.mean['mae']:.4f} | "
                f"{result.mean['nmae']:.4f} | {seconds:.1f} | {rows:,} |",
                flush=True,
            )
            if "log_likelihood" in result.mean:
                shares = " | ".join(f"{result.mean[f'coverage_{level}']:.1%}" for level in (50, 80, 90, 95))
                sure.append(f"| {protocol} | {name} | {result.mean['log_likelihood']:.3f} | {shares} |")
        for name, scores in result.baselines.items():
            if "rmse" not in scores:  # those that only list items
                continue
            print(f"| | {name} | {scores['rmse']:.4f} | {scores['mae']:.4f} | {scores['nmae']:.4f} | | |", flush=True)
    print(
        "\n| data, protocol | solver | log-likelihood | in 50% | in 80% | in 90% | in 95% |\n|---|---|---|---|---|---|---|"
    )
    print("\n".join(sure))


if __name__ == "__main__":
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(SOLVERS):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
