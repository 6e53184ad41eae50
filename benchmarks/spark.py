"""palate on Spark beside palate on one machine and beside MLlib, in turn, in one run.

    python benchmarks/spark.py [fit] [lists] [accuracy] [large] [--ratings 10000000] [--factors 16] [--rounds 3]
        [--users 2000000] [--data FOLDER]

fit
    A sweep of ALS on drawn ratings of the shape of MovieLens 10M: by palate's local kernels, by palate on Spark, and by
    MLlib (the difference of fits of three iterations and of one).
lists
    The ten best items of 71,567 users among 10,681: palate's `recommend_all` on Spark, written as Parquet, and MLlib's
    `recommendForAllUsers`, written as Parquet.
large
    A sweep of ALS on ratings that Spark draws (each user as many, of items drawn at random), with a million users or
    more: on Spark, then by palate's local kernels on the same files; and the memory of the driver before the local ones.
accuracy
    The RMSE of each solver on Spark and locally, on the same part of the real tables that lie in FOLDER.

The seconds are those of the clock and, in brackets, of all cores: of this process, of Java and of Python's workers. On a
machine that others use, only their ratios say something. Needs the extra ``spark`` and Java.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import palate
from palate.datasets import make_ratings
from palate.parallel import pool
from palate.ratings import Ratings
from palate.solvers.als.fit import ALSProblem
from palate.spark import fit, open_spark, recommend_all
from palate.spark.als import SparkALSProblem
from palate.spark.cluster import open_cluster
from palate.spark.reading import frame_of, tidy_frame
from palate.spark.table import build_table

# Users and items of MovieLens 10M; of other tables in proportion to the root of the ratings.
USERS, ITEMS, RATINGS = 71_567, 10_681, 10_000_000
REGULARIZATION = 0.06
CORES = 2
_TICKS = os.sysconf("SC_CLK_TCK")


def core_seconds() -> float:
    """Return the CPU seconds of this process and of all that it has started, Java's children included."""
    used, parents = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:  # it has ended
                continue
            parents[int(folder.name)] = int(fields[1])
            used[int(folder.name)] = sum(map(int, fields[11:15])) / _TICKS
    mine = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
        mine |= more
    return sum(used[pid] for pid in mine)


def measured(work: Callable[[], Any]) -> np.ndarray:
    """Return the seconds of the clock and of all cores that some work takes."""
    cores, started = core_seconds(), time.perf_counter()
    work()
    return np.array([time.perf_counter() - started, core_seconds() - cores])


def show(name: str, times: list[np.ndarray]) -> np.ndarray:
    median = np.median(times, axis=0)
    each = ", ".join(f"{clock:.2f} ({cores:.2f})" for clock, cores in times)
    print(f"{name:34} {median[0]:8.2f} s ({median[1]:.2f} of all cores)   each: {each}", flush=True)
    return median


def session() -> Any:
    return open_spark(f"local[{CORES}]", {"spark.ui.enabled": "false", "spark.driver.memory": "4g"})


def drawn(ratings: int, folder: Path) -> tuple[Ratings, str]:
    root = (ratings / RATINGS) ** 0.5
    table, path = (
        make_ratings(int(USERS * root), int(ITEMS * root), ratings, seed=1).compact(),
        folder / "drawn.parquet",
    )
    palate.datasets.write_ratings(table, path)
    return table, str(path)


def mllib(frame: Any, factors: int, iterations: int) -> Any:
    from pyspark.ml.recommendation import ALS

    settings = {"rank": factors, "regParam": REGULARIZATION, "seed": 0, "checkpointInterval": -1}
    columns = {"userCol": "user", "itemCol": "item", "ratingCol": "rating"}
    return ALS(**columns, **settings, maxIter=iterations).setNumBlocks(2 * CORES).fit(frame)


def measure_fit(folder: Path, ratings: int, factors: int, rounds: int) -> None:
    spark = session()
    table, path = drawn(ratings, folder)
    solver = palate.ALS(factors=factors, regularization=REGULARIZATION)
    times: dict[str, list[np.ndarray]] = {"palate, local": [], "palate, Spark": [], "MLlib": []}
    tidy, notes = tidy_frame(frame_of(spark, path)[0])
    frame = spark.read.parquet(path).repartition(CORES).persist()
    frame.count()
    print(f"ALS, k={factors}, {len(table):,} ratings, {len(table.users):,} x {len(table.items):,}: an iteration")
    with open_cluster(spark, folder) as cluster, pool(CORES) as run:
        spark_table = build_table(cluster, tidy, notes=notes, width=factors + 1)
        local, remote = ALSProblem(solver, table, None, run), SparkALSProblem(solver, spark_table)
        parameters = {name: problem.start() for name, problem in (("local", local), ("spark", remote))}
        for number in range(rounds + 1):  # the first one warms up
            times["palate, local"].append(measured(lambda: local.epoch(parameters["local"], REGULARIZATION, 0)))
            # Spark ends workers that are idle for a minute, which MLlib's fits may take; those of a fit never are.
            remote.epoch(parameters["spark"], REGULARIZATION, 0)
            times["palate, Spark"].append(measured(lambda: remote.epoch(parameters["spark"], REGULARIZATION, 0)))
            few, many = (measured(lambda n=n: mllib(frame, factors, n)) for n in (1, 3))
            times["MLlib"].append((many - few) / 2)
            print(
                f"round {number}: {', '.join(f'{name} {each[-1][0]:.2f}' for name, each in times.items())}", flush=True
            )
    frame.unpersist()
    local_seconds, spark_seconds, mllib_seconds = (show(name, each[1:]) for name, each in times.items())
    print(
        f"Spark - local: {spark_seconds[0] - local_seconds[0]:.2f} s; MLlib / Spark: {mllib_seconds[0] / spark_seconds[0]:.1f}"
        f" by the clock, {mllib_seconds[1] / spark_seconds[1]:.1f} of all cores"
    )


def measure_large(folder: Path, ratings: int, users: int, factors: int, rounds: int) -> None:
    from pyspark.sql import functions as f

    spark, items = session(), 20_011  # a prime: the items of a user, one stride apart, differ
    user, place = f.col("id") % users, (f.col("id") / users).cast("long")
    stride, first = 1 + f.pmod(f.xxhash64(user, f.lit(1)), f.lit(items - 1)), f.pmod(f.xxhash64(user), f.lit(items))
    rating = 1 + f.pmod(f.xxhash64("id"), f.lit(5))
    frame = spark.range(ratings).select(
        user.alias("user"), f.pmod(first + place * stride, f.lit(items)).alias("item"), rating.alias("rating")
    )
    started = time.perf_counter()
    tidy, notes = tidy_frame(frame)
    solver = palate.ALS(factors=factors, regularization=REGULARIZATION)
    with open_cluster(spark, folder) as cluster, pool(CORES) as run:
        spark_table = build_table(cluster, tidy, notes=notes, width=factors + 1)
        print(
            f"{ratings:,} ratings, {users:,} x {items:,}, grouped after {time.perf_counter() - started:.0f} s",
            flush=True,
        )
        remote = SparkALSProblem(solver, spark_table)
        parameters = {"spark": remote.start()}
        remote.epoch(parameters["spark"], REGULARIZATION, 0)  # the first one warms up
        print(f"driver: {driver_memory()} MiB at most in Python", flush=True)
        local = ALSProblem(solver, spark_table.ratings(), None, run)
        parameters["local"] = {name: rows.copy() for name, rows in parameters["spark"].items()}
        times: dict[str, list[np.ndarray]] = {"palate, local": [], "palate, Spark": []}
        for _ in range(rounds):
            times["palate, local"].append(measured(lambda: local.epoch(parameters["local"], REGULARIZATION, 0)))
            times["palate, Spark"].append(measured(lambda: remote.epoch(parameters["spark"], REGULARIZATION, 0)))
            print(", ".join(f"{name} {each[-1].round(2)}" for name, each in times.items()), flush=True)
    local_seconds, spark_seconds = (show(name, each) for name, each in times.items())
    print(f"Spark / local: {np.round(spark_seconds / local_seconds, 2)} by the clock and of all cores")
    print(
        f"largest difference: {max(np.abs(parameters['local'][n] - parameters['spark'][n]).max() for n in parameters['spark']):.1e}"
    )


def driver_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measure_lists(folder: Path, factors: int, rounds: int) -> None:
    spark = session()
    table, path = drawn(1_000_000, folder)
    rng = np.random.default_rng(0)
    model = palate.ALS(factors=factors, regularization=REGULARIZATION, sweeps=2).fit(table)
    users, items = np.arange(USERS), np.arange(ITEMS)
    whole = palate.Model(
        users=palate.Vocabulary(users, "user"), items=palate.Vocabulary(items, "item"),
        intercept=model.intercept, mean=model.mean, scale=model.scale,
        user_bias=np.zeros(USERS, np.float32), item_bias=np.zeros(ITEMS, np.float32),
        user_factors=rng.normal(size=(USERS, factors)).astype(np.float32),
        item_factors=rng.normal(size=(ITEMS, factors)).astype(np.float32),
    )  # fmt: skip
    palate.save(whole, folder / "lists.palate")
    frames = [
        spark.createDataFrame([(int(id), row.tolist()) for id, row in enumerate(rows)], "id int, features array<float>")
        for rows in (whole.user_factors, whole.item_factors)
    ]
    rival = mllib(spark.read.parquet(path), factors, 1)
    java = rival._java_obj
    rival._java_obj = type_of_java(spark, java, frames, factors)
    times: dict[str, list[np.ndarray]] = {"palate, Spark": [], "MLlib": []}
    print(f"the ten best of {ITEMS:,} items for {USERS:,} users, k={factors}")
    for number in range(rounds + 1):
        place = folder / f"lists-{number}"
        times["palate, Spark"].append(measured(lambda place=place: recommend_all(folder / "lists.palate", place, 10)))
        write = rival.recommendForAllUsers(10).write
        times["MLlib"].append(
            measured(lambda number=number, write=write: write.parquet(str(folder / f"mllib-{number}")))
        )
        print(f"round {number}: {', '.join(f'{name} {each[-1][0]:.2f}' for name, each in times.items())}", flush=True)
    mine, other = (show(name, each[1:]) for name, each in times.items())
    print(f"MLlib / palate: {other[0] / mine[0]:.1f} by the clock, {other[1] / mine[1]:.1f} of all cores")


def type_of_java(spark: Any, fitted: Any, frames: list[Any], factors: int) -> Any:
    """Return MLlib's model with other factors: those of palate, so that both rank the same products."""
    jvm = spark.sparkContext._jvm.org.apache.spark.ml.recommendation
    user, item = (frame.persist() for frame in frames)
    user.count(), item.count()
    model = jvm.ALSModel(fitted.uid(), factors, user._jdf, item._jdf)
    return fitted.copyValues(model, fitted.extractParamMap())


def measure_accuracy(data: Path) -> None:
    session()
    solvers = {
        "als": palate.ALS(factors=16, regularization=0.06, validation=0.0, sweeps=10),
        "implicit": palate.ImplicitALS(factors=16, regularization=0.01, unobserved=0.05, sweeps=8),
        "bayes": palate.BayesianMF(
            factors=16, sweeps=30, user_noise=True, item_noise=True, user_sets=True, item_sets=True
        ),
    }
    tables = {"ml-100k": "ml-100k/u.data", "jester": "jester/jester5k_ratings.dat", "ml-1m": "ml-1m/ratings.dat"}
    for name, place in tables.items():
        if not (data / place).exists():
            print(f"{name}: not at {data}")
            continue
        train, test = palate.holdout(palate.read_ratings(data / place, time=False), 0.1)
        for solver_name, solver in solvers.items():
            local, remote = solver.fit(train), fit(train, solver)
            if solver_name == "implicit":
                known = test.take((train.user_counts[test.user] > 0) & (train.item_counts[test.item] > 0))
                errors = [np.sqrt(np.mean((1 - products(model, known)) ** 2)) for model in (local, remote)]
                what = "RMS of 1 - score"
            else:
                errors = [palate.evaluate(model, test, baselines=False).scores["rmse"] for model in (local, remote)]
                what = "RMSE"
            print(
                f"{name:8} {solver_name:9} {what} local {errors[0]:.6f}, Spark {errors[1]:.6f}, "
                f"difference {abs(errors[0] - errors[1]):.1e}",
                flush=True,
            )


def products(model: palate.Model, table: Ratings) -> np.ndarray:
    user, item = model.users.index(table.users.ids)[table.user], model.items.index(table.items.ids)[table.item]
    return np.einsum("nk,nk->n", model.user_factors[user], model.item_factors[item])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "parts", nargs="*", choices=["fit", "lists", "accuracy", "large"], default=["fit", "lists", "accuracy"]
    )
    options.add_argument("--ratings", type=int, default=RATINGS)
    options.add_argument("--users", type=int, default=2_000_000, help="of the part large")
    options.add_argument("--factors", type=int, default=16)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--data", type=Path, default=Path("shared/data"))
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="palate-bench-"))
    try:
        if "fit" in chosen.parts:
            measure_fit(folder, chosen.ratings, chosen.factors, chosen.rounds)
        if "lists" in chosen.parts:
            measure_lists(folder, chosen.factors, chosen.rounds)
        if "large" in chosen.parts:
            measure_large(folder, chosen.ratings, chosen.users, chosen.factors, chosen.rounds)
        if "accuracy" in chosen.parts:
            measure_accuracy(chosen.data)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"driver: {driver_memory()} MiB at most in Python")


if __name__ == "__main__":
    main()
