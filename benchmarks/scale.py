"""Time and memory of fits on one machine, from Parquet to a model, by the number of ratings.

    python benchmarks/scale.py [--ratings 1000000 3000000 10000000 30000000] [--solvers als bayes] [--sweeps 3] [--threads N]

Each fit runs in a process of its own, which reads drawn ratings of the shape of MovieLens 10M (users and items in
proportion to the root of the ratings). The seconds are those of all cores. The memory is the peak of the process above
what it takes with everything loaded and compiled, before it reads. `bayes` has noise and rated sets of both sides on.
Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import palate
from palate.datasets import make_ratings, write_ratings
from palate.memory import watch
from palate.parallel import available
from palate.solvers import Solver

USERS, ITEMS, RATINGS = 71_567, 10_681, 10_000_000


def solver(name: str, sweeps: int) -> Solver:
    if name == "als":
        return palate.ALS(factors=16, regularization=0.06, validation=0.0, sweeps=sweeps)
    parts = dict.fromkeys(("user_noise", "item_noise", "user_sets", "item_sets"), True)
    return palate.BayesianMF(factors=16, sweeps=sweeps, **parts)


def core_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(path: str, name: str, sweeps: int, threads: int) -> None:
    """Fit in this process; print what it took."""
    small = make_ratings(users=300, items=100, ratings=6000, seed=1)
    solver(name, sweeps).fit(small, threads=threads)  # loads and compiles
    palate.read_ratings(path_of_small(Path(path), small))
    grown, started = watch(), core_seconds()
    ratings = palate.read_ratings(path)
    reading, read = core_seconds() - started, grown() or 0
    started = core_seconds()
    solver(name, sweeps).fit(ratings, threads=threads)
    size = len(ratings)
    figures = {"ratings": size, "reading_s": reading, "fit_s": core_seconds() - started}
    print(json.dumps(figures | {"read_bytes": read / size, "bytes": (grown() or 0) / size}))


def path_of_small(path: Path, small: palate.Ratings) -> str:
    place = path.with_name("small.parquet")
    write_ratings(small, place)
    return str(place)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--ratings", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000, 30_000_000])
    options.add_argument("--solvers", nargs="+", choices=["als", "bayes"], default=["als", "bayes"])
    options.add_argument("--sweeps", type=int, default=3)
    options.add_argument("--threads", type=int, default=available())
    options.add_argument(
        "--one", nargs=2, metavar=("PATH", "SOLVER"), help="fit in this process, for the script itself"
    )
    chosen = options.parse_args()
    if chosen.one:
        measure(*chosen.one, chosen.sweeps, chosen.threads)
        return
    print(f"k=16, {chosen.sweeps} sweeps, {chosen.threads} threads")
    print("solver     ratings   reading, s   fit, s (all cores)   bytes a rating: reading, all")
    for count in chosen.ratings:
        with tempfile.TemporaryDirectory(prefix="palate-scale-") as folder:
            root, path = (count / RATINGS) ** 0.5, Path(folder, "drawn.parquet")
            table = make_ratings(int(USERS * root), int(ITEMS * root), count, seed=1).compact()
            write_ratings(table, path)
            del table
            for name in chosen.solvers:
                shared = ["--sweeps", str(chosen.sweeps), "--threads", str(chosen.threads)]
                command = [sys.executable, "-W", "ignore", __file__, "--one", str(path), name, *shared]
                one = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                print(
                    f"{name:6} {one['ratings']:12,} {one['reading_s']:12.1f} {one['fit_s']:12.1f} "
                    f"{one['read_bytes']:20.1f} {one['bytes']:15.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
