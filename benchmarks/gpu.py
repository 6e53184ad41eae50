"""Time of a sweep, and of everyone's lists, on one graphics card beside the CPU, in turn, in one run.

    python benchmarks/gpu.py [--ratings 10000000 100000000] [--factors 64] [--sweeps 3] [--threads N] [--torch-cpu]

A sweep of ALS and of Gibbs sampling (all parts on) on drawn ratings of a table shaped like MovieLens, the best of a few
after a first one, which compiles, uploads and warms up. Lists are the ten best of all users of MovieLens 10M's size; they
are the same on both, which is checked. `--torch-cpu` takes PyTorch on the CPU in place of a card. Without a card, and
without that option, the script says so and ends with code 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from palate.datasets import make_ratings
from palate.parallel import Run, available, pool, single_blas
from palate.ranking import BatchRanker
from palate.ratings import Ratings
from palate.solvers import ALS
from palate.solvers.als.fit import ALSProblem
from palate.solvers.bayes.chain import Chain
from palate.solvers.bayes.state import ModelParts
from palate.solvers.half_step import center_and_spread, standardize_table

# Published seconds of one iteration of another program on one card, to be read beside the table above: other cards, other
# tables and another method (conjugate gradients instead of a Cholesky factorization).
PUBLISHED = """
published, seconds an iteration                        k=64   k=128  k=256
implicit, ML-20M (4 stars and more), A6000             .328   .227   .300
implicit, ML-20M, CPU i7-7820X, 8 cores                .84    1.21   2.35
implicit, lastfm360k, A6000                            .446   .389   .631
implicit, lastfm360k, CPU i7-7820X, 8 cores            2.32   2.86   5.31
source: the benchmarks of github.com/benfred/implicit at commit 8a95dbe
cuMF_SGD (arXiv 1610.05838), which steps instead of solving: 3.1 to 28.2 times CPU systems on 1 to 64 nodes
"""
# Users and items of MovieLens 10M. Other tables have more or fewer of both, in proportion to the root of the ratings.
USERS, ITEMS, RATINGS = 71_567, 10_681, 10_000_000


def best(function: Callable[[], object], repeats: int) -> float:
    """Return the least seconds of a few calls, after one that does not count."""
    function()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


def drawn(ratings: int) -> Ratings:
    root = (ratings / RATINGS) ** 0.5
    return make_ratings(int(USERS * root), int(ITEMS * root), ratings, seed=1).compact()


def als(table: Ratings, factors: int, run: Run, sweeps: int) -> float:
    problem = ALSProblem(ALS(factors=factors), table, None, run)
    parameters = problem.start()
    return best(lambda: problem.epoch(parameters, 0.06, 0), sweeps)


def gibbs(table: Ratings, factors: int, run: Run, sweeps: int) -> float:
    standard = standardize_table(table, *center_and_spread(table.rating))
    chain = Chain(standard.by_user, standard.by_item, factors, ModelParts(True, True, True, True), 0, run)
    with single_blas():
        return best(chain.sweep, sweeps)


def lists(factors: int, make: Callable[..., BatchRanker], threads: int, users: int, items: int) -> tuple[float, list]:
    rng = np.random.default_rng(0)
    spectrum = np.exp(-np.arange(factors) / (factors / 3)).astype(np.float32)
    vectors, others = (rng.normal(size=(rows, factors)).astype(np.float32) * spectrum for rows in (users, items))
    ranker = make(others, np.zeros(items, np.float32))
    found = []
    with ranker.opened(threads) as rank:
        seconds = best(lambda: found.append(rank(vectors, np.zeros(users, np.float32), 10)[0]), 1)
    return seconds, found[-1]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--ratings", type=int, nargs="+", default=[10_000_000, 100_000_000])
    options.add_argument("--factors", type=int, default=64)
    options.add_argument("--sweeps", type=int, default=3)
    options.add_argument("--threads", type=int, default=available())
    options.add_argument("--users", type=int, default=USERS, help="of the lists")
    options.add_argument("--items", type=int, default=ITEMS, help="of the lists")
    options.add_argument("--torch-cpu", action="store_true")
    given = options.parse_args()
    if not find_spec("torch"):
        sys.exit("PyTorch is not installed: pip install '.[gpu]'")
    import torch

    from palate.gpu.device import device_label
    from palate.gpu.pool import DevicePool
    from palate.gpu.ranker import DeviceRanker
    from palate.gpu.rows import DeviceRows

    if not given.torch_cpu and not torch.cuda.is_available():
        sys.exit(
            f"there is no graphics card: PyTorch {torch.__version__} sees none. Nothing was measured. "
            "--torch-cpu measures PyTorch on the CPU instead."
        )
    torch.set_num_threads(given.threads)
    device = torch.device("cpu" if given.torch_cpu else "cuda")
    print(f"{device_label(device)}, PyTorch {torch.__version__}, beside {given.threads} threads of the CPU")
    print(f"{'seconds':44} {'CPU':>9} {'card':>9} {'times':>7}")

    def show(name: str, on_cpu: float, on_card: float) -> None:
        print(f"{name:44} {on_cpu:9.3f} {on_card:9.3f} {on_cpu / on_card:7.1f}", flush=True)

    with pool(given.threads) as run:
        for count in given.ratings:
            table = drawn(count)
            for name, work in (("ALS", als), ("Gibbs, all parts", gibbs)):
                pools = run, DevicePool(run, DeviceRows(device))
                times = [work(table, given.factors, where, given.sweeps) for where in pools]
                show(f"{name}, k={given.factors}, {len(table):,} ratings, a sweep", *times)
    places = (BatchRanker, lambda *items: DeviceRanker(device, *items))
    (on_cpu, expected), (on_card, items) = (
        lists(given.factors, make, given.threads, given.users, given.items) for make in places
    )
    if not np.array_equal(expected, items):
        sys.exit("the lists differ")
    show(f"lists, k={given.factors}, {given.users:,} x {given.items:,}", on_cpu, on_card)
    print(PUBLISHED)


if __name__ == "__main__":
    main()
