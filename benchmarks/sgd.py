"""Speed of SGD beside LIBMF with AVX, in turn, in one run.

    python benchmarks/sgd.py [--ratings 10000000] [--factors 16] [--threads 2] [--repeats 5]

LIBMF is built from the sdist of PyPI's `libmf` with AVX and OpenMP (as published it has neither); that needs g++ and pip. Both
get the same text file and as many epochs. LIBMF has no biases; its first iteration updates only eight factors, so an epoch
of it is the difference of two runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from statistics import median

from palate import SGD
from palate.datasets import make_ratings, write_ratings

FLAGS = [
    "-O3",
    "-std=c++11",
    "-march=native",
    "-mavx",
    "-DUSEAVX",
    "-DUSEOMP",
    "-fopenmp",
    "-pthread",
    "-include",
    "string",
]
EPOCHS = 20
REGULARIZATION = 0.06


def build_libmf(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "libmf"]
    subprocess.run([*pip, "--dest", str(folder), "libmf==0.9.2"], check=True)
    with tarfile.open(next(folder.glob("libmf-*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    source = next(folder.rglob("mf.cpp"))
    driver = Path(__file__).with_name("libmf.cpp")
    program = folder / "libmf"
    subprocess.run(["g++", *FLAGS, f"-I{source.parent}", str(driver), str(source), "-o", str(program)], check=True)
    return program


def libmf(program: Path, table: Path, iterations: int, options: argparse.Namespace) -> tuple[float, float]:
    """Return the seconds of training, and of the whole process."""
    arguments = [options.factors, iterations, options.threads, REGULARIZATION, 0.05]
    started = time.perf_counter()
    run = subprocess.run(
        [program, table, table.with_suffix(".libmf"), *map(str, arguments)], check=True, capture_output=True, text=True
    )
    return float(run.stdout.split()[1]), time.perf_counter() - started


def palate_whole(table: Path, options: argparse.Namespace) -> float:
    """Return the seconds of the whole command: start, read, check, fit, save."""
    command = [
        "palate",
        "fit",
        table,
        "--solver",
        "sgd",
        "-o",
        table.with_suffix(".palate"),
        "--quiet",
        "--validation",
        0,
        "--epochs",
        EPOCHS,
    ]
    command += ["--factors", options.factors, "--threads", options.threads, "--regularization", REGULARIZATION]
    started = time.perf_counter()
    program = [str(Path(sys.executable).with_name("palate")), *map(str, command[1:])]
    subprocess.run(program, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("ratings", 10_000_000), ("factors", 16), ("threads", 2), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    rows: dict[str, list[float]] = {name: [] for name in ("palate epoch", "LIBMF epoch", "palate whole", "LIBMF whole")}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program = build_libmf(folder)
        ratings = make_ratings(users=71_567, items=10_681, ratings=options.ratings, seed=0)
        table = folder / "ratings.dat"  # no header, which LIBMF would choke on
        write_ratings(ratings, table)
        solver = SGD(factors=options.factors, validation=0.0, epochs=6, regularization=REGULARIZATION)
        solver.fit(ratings, threads=options.threads)  # compiles
        for _ in range(options.repeats):
            seconds: list[float] = []
            solver.fit(
                ratings, threads=options.threads, progress=lambda epoch, seconds=seconds: seconds.append(epoch.seconds)
            )
            rows["palate epoch"].append(median(seconds))
            one, _ = libmf(program, table, 1, options)
            many, whole = libmf(program, table, EPOCHS, options)
            rows["LIBMF epoch"].append((many - one) / (EPOCHS - 1))
            rows["palate whole"].append(palate_whole(table, options))
            rows["LIBMF whole"].append(whole)
    print(
        f"{options.ratings:,} ratings, k = {options.factors}, {options.threads} threads, {EPOCHS} epochs, {options.repeats} repeats\n"
    )
    print("| | median s | least | most |\n|---|---|---|---|")
    for name, values in rows.items():
        print(f"| {name} | {median(values):.3f} | {min(values):.3f} | {max(values):.3f} |")
    for what in ("epoch", "whole"):
        ratios = [theirs / ours for theirs, ours in zip(rows[f"LIBMF {what}"], rows[f"palate {what}"], strict=True)]
        print(f"\nLIBMF / palate, {what}: {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
