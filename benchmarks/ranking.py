"""Speed of the ten best items for all users beside implicit and beside matrix products alone, in turn, in one run.

    python benchmarks/ranking.py [--users 71567] [--items 10681] [--factors 64] [--threads 2] [--repeats 5]

All get the same factors, whose spectrum falls as that of fitted ones does, and the same seen items, which are left out
of the answer. There are no biases, because implicit has none, so that the answers are to be the same; it is checked that
they are. "GEMM alone" computes the same products in the same blocks and looks at none of them: no ranking that computes
all products can be faster. BLAS keeps to one thread in each thread, which is what implicit asks for too. One user is
ranked beside reading all factors once.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np

from palate import Model, RatingScale, Vocabulary
from palate.parallel import pool, single_blas
from palate.ranking.batch import item_blocks, user_blocks
from palate.ratings import Grouped


def make_model(users: int, items: int, factors: int, seed: int = 0, rated: float = 140) -> Model:
    """Return a model that was not fitted: normal factors of a falling spectrum, popular items rated most."""
    rng = np.random.default_rng(seed)
    spectrum = np.exp(-np.arange(factors) / (factors / 3)).astype(np.float32)
    popularity = np.arange(1, items + 1) ** -0.8
    counts = np.clip(rng.lognormal(np.log(rated) - 0.5, 1, users), 20, items // 3).astype(np.int64)
    drawn = rng.choice(items, counts.sum(), p=popularity / popularity.sum())
    pairs = np.unique(np.repeat(np.arange(users), counts) * items + drawn)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(pairs // items, minlength=users))])
    return Model(
        users=Vocabulary(np.arange(users), "user"),
        items=Vocabulary(np.arange(items), "item"),
        intercept=0.0,
        mean=0.0,
        user_bias=np.zeros(users, np.float32),
        item_bias=np.zeros(items, np.float32),
        user_factors=rng.normal(size=(users, factors)).astype(np.float32) * spectrum,
        item_factors=rng.normal(size=(items, factors)).astype(np.float32) * spectrum,
        scale=RatingScale(-1e9, 1e9),
        seen=Grouped(indptr, (pairs % items).astype(np.int32), np.ones(len(pairs), np.float32)),
    )


def seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def gemm(model: Model, threads: int) -> None:
    """Compute all products in the blocks of the ranking, and look at none."""

    def products(rows: slice) -> None:
        users = model.user_factors[rows]
        room = np.empty(2 * len(users) * len(model.items), np.float32)
        for first, stop in item_blocks(len(model.items)):
            out = room[: len(users) * (stop - first)].reshape(len(users), stop - first)
            np.matmul(users, model.item_factors[first:stop].T, out=out)

    with single_blas(), pool(threads) as run:
        run(products, user_blocks(len(model.users), threads))


def measure(model: Model, threads: int = 2, n: int = 10) -> dict[str, float]:
    """Return the seconds of ranking all users, and of matrix products alone."""
    return {
        "palate": seconds(lambda: model.recommend_batch(n=n, threads=threads)),
        "GEMM alone": seconds(lambda: gemm(model, threads)),
    }


def peer(model: Model, threads: int) -> Callable[[int], np.ndarray]:
    """Return implicit's ranking of all users by the same factors."""
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    other = AlternatingLeastSquares(factors=model.factors, num_threads=threads)
    other.user_factors, other.item_factors = model.user_factors, model.item_factors
    shape = (len(model.users), len(model.items))
    seen = csr_matrix((model.seen.values, model.seen.indices, model.seen.indptr), shape=shape)

    def rank(n: int) -> np.ndarray:
        with threadpool_limits(1, user_api="blas"):
            return other.recommend(model.users.ids, seen, N=n, filter_already_liked_items=True)[0]

    return rank


def single(model: Model, calls: int = 101) -> dict[str, float]:
    """Return the median milliseconds of one call for one user, and of reading all factors once."""
    model.recommend(0)
    times = [seconds(partial(model.recommend, user)) for user in range(calls)]
    bits = model.item_factors.reshape(-1).view(np.uint32)
    reading = [seconds(bits.max) for _ in range(calls)]
    return {"recommend": 1e3 * median(times), "reading": 1e3 * median(reading)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("users", 71_567), ("items", 10_681), ("factors", 64), ("threads", 2), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    model = make_model(options.users, options.items, options.factors)
    few = make_model(600, options.items, options.factors)
    measure(few, options.threads)  # the kernels are compiled here
    times: dict[str, list[float]] = {"palate": [], "GEMM alone": []}
    try:
        rank = peer(model, options.threads)
        times["implicit"] = []
        ours, theirs = model.recommend_batch(n=10)[0], rank(10)
        print(f"the same item in {(ours == theirs).mean():.4%} of all places")
    except ImportError:
        print("implicit is not installed: no comparison")
    for _ in range(options.repeats):
        for name, value in measure(model, options.threads).items():
            times[name].append(value)
        if "implicit" in times:
            times["implicit"].append(seconds(lambda: rank(10)))
    floor, own = median(times["GEMM alone"]), median(times["palate"])
    print(
        f"top 10 of {options.items:,} items for {options.users:,} users, k={options.factors}, {options.threads} threads"
    )
    for name, found in times.items():
        spread = f"{min(found):.3f} to {max(found):.3f}"
        print(
            f"{name:12} {median(found):8.3f} s ({spread})  {median(found) / own:5.2f} × palate  {median(found) / floor:5.2f} × GEMM"
        )
    found = single(few)
    print(f"one user: {found['recommend']:.2f} ms, reading the factors once {found['reading']:.2f} ms")


if __name__ == "__main__":
    main()
