"""Speed of a Gibbs sweep: rated sets against none, and beside myFM, in turn, in one run.

    python benchmarks/gibbs.py [--ratings 10000000] [--factors 16] [--sweeps 6] [--repeats 5]

Without `myfm` installed only palate is timed. myFM has one thread, and no noise of single users or items: it is compared
with the plain sampler, at equal factors, on a tenth of the ratings. Its sweep is the difference of two runs.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

import numpy as np

from palate import Ratings
from palate.datasets import make_ratings
from palate.solvers.gibbs.chain import Chain, Parts
from palate.threads import pool, single_blas

PLAIN, LINKED = Parts(False, False, False, False), Parts(False, False, True, True)


def palate(ratings: Ratings, options: argparse.Namespace, parts: Parts) -> float:
    """Return the seconds of a sweep."""
    with single_blas(), pool(options.threads) as run:
        chain = Chain(ratings.by_user, ratings.by_item, options.factors, parts, 0, run)
        chain.sweep()
        seconds = []
        for _ in range(options.sweeps):
            started = time.perf_counter()
            chain.sweep()
            seconds.append(time.perf_counter() - started)
    return median(seconds)


def myfm(ratings: Ratings, options: argparse.Namespace) -> float:
    """Return the seconds of a sweep."""
    from myfm import MyFMRegressor
    from scipy.sparse import csr_matrix

    rows, users, items = len(ratings), len(ratings.users), len(ratings.items)
    columns = np.column_stack([ratings.user, ratings.item + users]).ravel()
    table = csr_matrix((np.ones(2 * rows), columns, np.arange(0, 2 * rows + 1, 2)), shape=(rows, users + items))
    seconds = []
    for sweeps in (1, 1 + options.sweeps):
        started = time.perf_counter()
        MyFMRegressor(rank=options.factors).fit(
            table, ratings.rating, n_iter=sweeps, n_kept_samples=1, group_shapes=[users, items]
        )
        seconds.append(time.perf_counter() - started)
    return (seconds[1] - seconds[0]) / options.sweeps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = (("ratings", 10_000_000), ("factors", 16), ("threads", 2), ("sweeps", 6), ("repeats", 5))
    for name, value in defaults:
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    large = make_ratings(users=71_567, items=10_681, ratings=options.ratings, seed=0)
    small = make_ratings(users=7_157, items=3_376, ratings=options.ratings // 10, seed=0)
    small = small.take(np.arange(len(small))).compact()
    jobs: dict[str, Any] = {
        "plain sweep": lambda: palate(large, options, PLAIN),
        "linked sweep": lambda: palate(large, options, LINKED),
        "plain sweep, a tenth": lambda: palate(small, options, PLAIN),
    }
    try:
        import myfm as _
    except ImportError:
        print("myfm is not installed: only palate is timed\n")
    else:
        jobs["myFM, a tenth"] = lambda: myfm(small, options)
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(options.repeats):
        for name, job in jobs.items():
            times[name].append(job())
    print(f"{options.ratings:,} ratings, k = {options.factors}, {options.threads} threads, {options.repeats} repeats\n")
    print("| | median s | least | most |\n|---|---|---|---|")
    for name, found in times.items():
        print(f"| {name} | {median(found):.4f} | {min(found):.4f} | {max(found):.4f} |")
    pairs = [("linked sweep", "plain sweep"), ("myFM, a tenth", "plain sweep, a tenth")]
    for slow, quick in (pair for pair in pairs if pair[0] in times):
        ratios = [a / b for a, b in zip(times[slow], times[quick], strict=True)]
        print(f"\n{slow} / {quick}: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
